// @ts-check
/** Connections that break and heal, in both modes: what the person notices and what the others see. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { newRoom } from '../harness/access.mjs';
import { openStage } from '../harness/stage.mjs';
import { until } from '../harness/until.mjs';
import { Guest } from './guest.mjs';

const stage = openStage();

/** @param {Guest} guest @param {string} scenario */
function simulate(guest, scenario) {
  return guest.page.evaluate((scenario) => window.__tutti?.room.simulateScenario(/** @type {any} */ (scenario)), scenario);
}

/** Scenarios after which the participant is the same one, and the others notice nothing. */
const RESUMED = ['signal-reconnect', 'disconnect-signal-on-resume', 'disconnect-signal-on-resume-no-messages'];

/** Scenarios that end in a new session under the same identity. */
const REPLACED = ['resume-reconnect', 'full-reconnect', 'node-failure'];

for (const mode of /** @type {const} */ (['single', 'dual'])) {
  describe(`reconnecting with ${mode} peer connection`, () => {
    const room = newRoom(`reconnect-${mode}`);
    /** @type {Guest} */
    let ada;
    /** @type {Guest} */
    let bo;

    before(async () => {
      ada = await Guest.join(stage, { room, name: 'Ada', mode });
      bo = await Guest.join(stage, { room, name: 'Bo', mode });
    });

    beforeEach(async () => {
      await ada.sees('Bo');
      await bo.sees('Ada');
      await ada.record();
      await bo.record();
    });

    after(async () => {
      await ada?.close();
      await bo?.close();
    });

    for (const scenario of RESUMED) {
      test(`${scenario} resumes in place`, async () => {
        const sid = await ada.sid();
        await simulate(ada, scenario);
        await until('Ada is back', async () => (await ada.events()).includes('reconnected'), 30_000);
        assert.equal(await ada.sid(), sid, 'the session id stays');
        await ada.sees('Bo');
        await bo.sees('Ada');
        await bo.hears('Ada');
        const noticed = await bo.events();
        assert.deepEqual(noticed.filter((event) => event.startsWith('participant')), [], 'Bo notices nothing');
        assert.ok(!(await ada.events()).includes('trackUnsubscribed'), 'Ada keeps her tracks');
        await assertChatReaches(ada, bo, `after ${scenario}`);
      });
    }

    for (const scenario of REPLACED) {
      test(`${scenario} comes back as a new session`, async () => {
        const sid = await ada.sid();
        await simulate(ada, scenario);
        await until('Ada is back', async () => (await ada.events()).includes('reconnected'), 30_000);
        assert.ok((await ada.events()).includes('banner reconnecting'), 'Ada is told');
        assert.notEqual(await ada.sid(), sid, 'the session is a new one');
        await ada.page.locator('[data-banner=reconnecting]').waitFor({ state: 'detached' });
        await bo.sees('Ada');
        await ada.sees('Bo');
        await bo.hears('Ada');
        await until('exactly one Ada is shown', async () => (await bo.tile('Ada').count()) === 1);
        await assertChatReaches(bo, ada, `after ${scenario}`);
      });
    }

    test('force-tcp moves the media to TCP', async () => {
      await simulate(ada, 'force-tcp');
      await until('Ada is back', async () => (await ada.events()).includes('reconnected'), 30_000);
      await until('the chosen path is TCP', async () => (await protocols(ada)).includes('tcp'));
      await ada.sees('Bo');
      await bo.sees('Ada');
    });

    test('no page threw an error', () => {
      assert.deepEqual([...ada.errors, ...bo.errors], []);
    });
  });
}

/** @param {Guest} from @param {Guest} to @param {string} text */
async function assertChatReaches(from, to, text) {
  await from.page.evaluate((text) => window.__tutti?.room.localParticipant.sendText(text, { topic: 'lk.chat' }), text);
  if (!(await to.page.locator('.chat').isVisible())) await to.press('chat');
  await to.page.getByText(text, { exact: true }).waitFor();
}

/** Transport protocols of the candidate pairs in use. @param {Guest} guest @returns {Promise<string[]>} */
function protocols(guest) {
  return guest.page.evaluate(async () => {
    const { publisher, subscriber } = /** @type {any} */ (window.__tutti?.room.engine).pcManager;
    const found = [];
    for (const transport of [publisher, subscriber]) {
      const report = await transport?.getStats();
      for (const stat of report?.values() ?? []) {
        if (stat.type === 'transport' && stat.selectedCandidatePairId) {
          found.push(report.get(report.get(stat.selectedCandidatePairId)?.localCandidateId)?.protocol);
        }
      }
    }
    return found;
  });
}
