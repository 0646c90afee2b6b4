// @ts-check
/** Firefox and Chromium in one call: both modes, over UDP and where only TCP gets through. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guest } from '../browser/guest.mjs';
import { newRoom } from '../harness/access.mjs';
import { serveDemo } from '../harness/demo.mjs';
import { Firefox } from '../harness/firefox.mjs';
import { openStage } from '../harness/stage.mjs';
import { Fox } from './fox.mjs';

// From loopback: devices are only for pages that came over a secure way.
const stage = openStage(serveDemo);
/** @type {Firefox} */
let firefox;

before(async () => {
  firefox = await Firefox.launch();
});

after(() => firefox?.close());

/** The codecs are those of Chromium, the first that Firefox can decode. Firefox itself sends VP8: its SDK asks for nothing else. */
const CALLS = /** @type {const} */ ([
  { mode: 'single', network: 'UDP', codecs: ['h264', 'vp8'] },
  { mode: 'dual', network: 'UDP', codecs: ['vp9'] },
  { mode: 'single', network: 'TCP', codecs: ['vp9'] },
  { mode: 'dual', network: 'TCP', codecs: ['h264', 'vp8'] },
]);

for (const { mode, network, codecs } of CALLS) {
  describe(`Firefox with ${mode} peer connection over ${network}`, () => {
    const room = newRoom(`firefox-${mode}-${network.toLowerCase()}`);
    /** @type {Fox} */
    let fox;
    /** @type {Guest} */
    let ada;
    /** @type {string} */
    let codec;

    before(async () => {
      fox = await Fox.enter(firefox, { demo: stage.demo.url, room, name: 'Fox', mode, tcpOnly: network === 'TCP' });
      codec = await fox.decodes(codecs);
      ada = await Guest.join(stage, { room, name: 'Ada', mode, codec });
    });

    after(async () => {
      await fox?.close();
      await ada?.close();
    });

    test('Chromium sees and hears Firefox', async () => {
      const seen = await ada.sees('Fox');
      assert.equal(seen.codec, 'video/vp8');
      await ada.hears('Fox');
    });

    test('Firefox sees and hears Chromium', async () => {
      const seen = await fox.sees('Ada');
      assert.equal(seen.codec, `video/${codec}`);
      assert.ok(seen.width >= 160, JSON.stringify(seen));
      await fox.hears('Ada');
    });

    test('messages arrive', async () => {
      await ada.press('chat');
      await fox.page.evaluate(() => window.__tutti?.room.localParticipant.sendText('from Firefox', { topic: 'lk.chat' }).then(() => true));
      await ada.page.getByText('from Firefox').waitFor();
    });

    test(`all of it went over ${network}`, async () => {
      const used = await fox.protocols();
      assert.deepEqual(used, Array.from({ length: mode === 'dual' ? 2 : 1 }, () => network.toLowerCase()));
    });

    test('no page threw an error', () => {
      assert.deepEqual([...fox.errors, ...ada.errors], []);
    });
  });
}
