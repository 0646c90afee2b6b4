// @ts-check
/** GStreamer and Chromium in one call: H.264 and Opus one way, VP8, VP9 or H.264 and Opus the other. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guest } from '../browser/guest.mjs';
import { newRoom } from '../harness/access.mjs';
import { openStage } from '../harness/stage.mjs';
import { Device } from './gstreamer.mjs';

/** What the pretend microphone of Chromium plays. */
const CHROMIUM_HZ = 440;

const stage = openStage();

/** The DTLS role that GStreamer asks for, the server's answer to its offer, and the codec of Chromium's camera. */
const CALLS = /** @type {const} */ ([
  { setup: 'actpass', answer: undefined, codec: 'vp8' },
  { setup: 'active', answer: 'passive', codec: 'h264' },
  { setup: 'passive', answer: 'active', codec: 'vp9' },
]);

for (const { setup, answer, codec } of CALLS) {
  describe(`GStreamer with setup:${setup}`, () => {
    const room = newRoom(`gstreamer-${setup}`);
    /** @type {Guest} */
    let ada;
    /** @type {Device} */
    let device;

    before(async () => {
      ada = await Guest.join(stage, { room, name: 'Ada', mode: setup === 'active' ? 'dual' : 'single', codec });
      device = await Device.join(room, 'Gst', setup);
    });

    after(async () => {
      await device?.leave();
      await ada?.close();
    });

    test('both connections of GStreamer, with its RSA certificate, are there', async () => {
      if (answer) assert.equal((await device.tells('answer')).setup, answer);
      for (const connection of ['publisher', 'subscriber']) {
        await device.tells('connection-state', (told) => told.connection === connection && told.value === 'connected');
      }
    });

    test('Chromium shows the pictures of x264enc with its defaults', async () => {
      const seen = await ada.sees('Gst', { count: 30 });
      assert.deepEqual([seen.codec, seen.width, seen.height], ['video/h264', 320, 180]);
    });

    test('Chromium hears GStreamer', async () => {
      await ada.hears('Gst');
    });

    test(`GStreamer decodes the ${codec} of Chromium`, async () => {
      const seen = await device.tells('frames', (told) => told.encoding === codec.toUpperCase() && told.count >= 30);
      assert.ok(seen.width > 0 && Math.abs(seen.width / seen.height - 16 / 9) < 0.02, JSON.stringify(seen));
    });

    test('GStreamer hears the tone of Chromium', async () => {
      await device.tells('sound', (told) => told.peak > 1_000 && Math.abs(told.hz - CHROMIUM_HZ) < 10);
    });

    test('a latecomer sees GStreamer, and nothing breaks when it leaves', async () => {
      const bo = await Guest.join(stage, { room, name: 'Bo', camera: false });
      const seen = await bo.sees('Gst');
      assert.equal(seen.codec, 'video/h264');
      await bo.hears('Gst');
      await bo.close();
      await ada.tile('Bo').waitFor({ state: 'detached' });
      device.forget();
      await ada.sees('Gst');
      await device.tells('frames');
      await device.tells('sound');
    });

    test('nothing failed', () => {
      assert.deepEqual(device.failures(), []);
      assert.equal(device.child.exitCode, null, device.errors);
      assert.deepEqual(ada.errors, []);
    });
  });
}
