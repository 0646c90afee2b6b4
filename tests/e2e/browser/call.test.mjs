// @ts-check
/** A call between two tabs, from joining to leaving, in both modes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { newRoom } from '../harness/access.mjs';
import { openStage } from '../harness/stage.mjs';
import { until } from '../harness/until.mjs';
import { Guest } from './guest.mjs';

const stage = openStage();

for (const mode of /** @type {const} */ (['single', 'dual'])) {
  describe(`a call with ${mode} peer connection`, () => {
    const room = newRoom(`call-${mode}`);
    /** @type {Guest} */
    let ada;
    /** @type {Guest} */
    let bo;

    before(async () => {
      ada = await Guest.join(stage, { room, name: 'Ada', mode });
      bo = await Guest.join(stage, { room, name: 'Bo', mode });
    });

    after(async () => {
      await ada?.close();
      await bo?.close();
    });

    test('the mode is the one asked for', async () => {
      const mode_ = await ada.page.evaluate(() => /** @type {any} */ (window.__tutti?.room.engine).pcManager.mode);
      assert.match(mode_, mode === 'single' ? /publisher-only/ : /subscriber-primary|publisher-primary/);
    });

    test('pictures arrive on both sides in the shape of the camera', async () => {
      for (const [watcher, watched] of [[ada, 'Bo'], [bo, 'Ada']]) {
        const seen = await /** @type {Guest} */ (watcher).sees(/** @type {string} */ (watched));
        assert.equal(seen.codec, 'video/vp8');
        assert.ok(seen.width >= 320 && Math.abs(seen.width / seen.height - 16 / 9) < 0.02, JSON.stringify(seen));
      }
    });

    test('sound arrives on both sides', async () => {
      await ada.hears('Bo');
      await bo.hears('Ada');
    });

    test('whoever makes a sound is shown as speaking', async () => {
      await ada.page.locator('article[aria-label=Bo][data-speaking=true]').waitFor({ timeout: 15_000 });
    });

    test('connection quality is shown', async () => {
      await ada.page.locator('article[aria-label=Bo]:is([data-quality=excellent], [data-quality=good], [data-quality=poor])').waitFor({ timeout: 20_000 });
    });

    test('chat arrives, and counts as unread until it is opened', async () => {
      await ada.press('chat');
      await ada.page.getByLabel('Message everyone').fill('from bar 42, 好吗?');
      await ada.page.keyboard.press('Enter');
      await ada.page.getByText('from bar 42, 好吗?').waitFor();
      await bo.page.getByRole('button', { name: 'Chat, 1 unread' }).waitFor();
      await bo.press('chat');
      await bo.page.getByText('from bar 42, 好吗?').waitFor();
      await bo.page.getByLabel('Message everyone').fill('x'.repeat(4000));
      await bo.page.keyboard.press('Enter');
      await ada.page.getByText('x'.repeat(4000)).waitFor();
    });

    test('muting shows on the other side, and so does unmuting', async () => {
      await bo.press('microphone');
      await ada.page.locator('article[aria-label=Bo][data-microphone=off]').waitFor();
      await bo.press('microphone');
      await ada.page.locator('article[aria-label=Bo][data-microphone=on]').waitFor();
      await ada.hears('Bo');
    });

    test('a camera turned off gives way to initials and comes back', async () => {
      await bo.press('camera');
      await ada.tile('Bo').locator('.avatar').waitFor();
      await bo.press('camera');
      await ada.tile('Bo').locator('video').waitFor();
      await ada.sees('Bo');
    });

    test('a shared screen takes the stage and leaves it', async () => {
      await bo.press('share');
      await ada.page.locator('article.is-stage[data-source=screen]').waitFor();
      const seen = await ada.sees('Bo', { source: 'screen_share', count: 3 });
      assert.ok(seen.width > 0 && seen.height > 0, JSON.stringify(seen));
      await bo.press('share');
      await ada.tile('Bo', 'screen').waitFor({ state: 'detached' });
    });

    test('a reload comes back to the call by itself', async () => {
      await bo.page.reload();
      await bo.inCall();
      await until('the pair is complete again', () => ada.page.locator('article').count().then((count) => count === 2));
      await ada.sees('Bo');
      await bo.sees('Ada');
      await bo.hears('Ada');
    });

    test('leaving removes the tile', async () => {
      await bo.press('leave');
      await bo.page.getByText('You left the call').waitFor();
      await ada.tile('Bo').waitFor({ state: 'detached' });
    });

    test('no page threw an error', () => {
      assert.deepEqual([...ada.errors, ...bo.errors], []);
    });
  });
}
