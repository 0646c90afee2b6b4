// @ts-check
/** Layers, codecs and crowds: what the server forwards follows what the viewer asks for. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { newRoom } from '../harness/access.mjs';
import { openStage } from '../harness/stage.mjs';
import { until } from '../harness/until.mjs';
import { Guest } from './guest.mjs';

const LOW = 0;
const HIGH = 2;

const stage = openStage();

for (const mode of /** @type {const} */ (['single', 'dual'])) {
  describe(`simulcast with ${mode} peer connection`, () => {
    const room = newRoom(`layers-${mode}`);
    /** @type {Guest} */
    let ada;
    /** @type {Guest} */
    let bo;

    before(async () => {
      ada = await Guest.join(stage, { room, name: 'Ada', mode });
      bo = await Guest.join(stage, { room, name: 'Bo', mode, camera: false, context: { viewport: { width: 1280, height: 800 } } });
      await bo.sees('Ada');
    });

    after(async () => {
      await ada?.close();
      await bo?.close();
    });

    /** @param {string} what @param {(width: number) => boolean} isRight */
    const width = (what, isRight) => until(what, async () => isRight((await bo.video('Ada'))?.width ?? 0), 30_000);

    test('the size of the tile chooses the layer', async () => {
      await width('a middle layer fills half the window', (now) => now >= 640);
    });

    test('the quality asked for by hand is obeyed, down and up', async () => {
      await quality(bo, 'Ada', LOW);
      await width('the lowest layer arrives', (now) => now > 0 && now <= 320);
      await bo.sees('Ada');
      await quality(bo, 'Ada', HIGH);
      await width('a larger layer arrives', (now) => now >= 640);
      await bo.sees('Ada');
    });

    test('a picture out of sight costs nothing and comes back', async () => {
      await bo.page.evaluate(() => document.documentElement.style.setProperty('display', 'none'));
      await until('the stream pauses', () => stalls(bo, 'Ada'));
      await bo.page.evaluate(() => document.documentElement.style.removeProperty('display'));
      await bo.sees('Ada');
    });
  });
}

for (const [codec, mime] of /** @type {const} */ ([['vp9', 'video/vp9'], ['h264', 'video/h264'], ['av1', 'video/av1']])) {
  for (const mode of /** @type {const} */ (['single', 'dual'])) {
    test(`${codec} arrives with ${mode} peer connection`, async (context) => {
      const room = newRoom(`codec-${codec}-${mode}`);
      const ada = await Guest.join(stage, { room, name: 'Ada', mode, codec });
      const bo = await Guest.join(stage, { room, name: 'Bo', mode, camera: false });
      try {
        if (!(await canEncode(ada, mime))) return context.skip(`this Chromium cannot encode ${codec}`);
        const seen = await bo.sees('Ada');
        assert.equal(seen.codec, mime);
        assert.ok(Math.abs(seen.width / seen.height - 16 / 9) < 0.02, JSON.stringify(seen));
      } finally {
        await ada.close();
        await bo.close();
      }
    });
  }
}

test('four people see and hear each other', async () => {
  const room = newRoom('quartet');
  const names = ['Ada', 'Bo', 'Cleo', 'Dan'];
  const context = { viewport: { width: 480, height: 400 } };
  const guests = [];
  // Both modes in one room: the server serves them side by side.
  for (const [index, name] of names.entries()) {
    guests.push(await Guest.join(stage, { room, name, mode: index % 2 ? 'dual' : 'single', context }));
  }
  try {
    for (const guest of guests) {
      for (const other of names.filter((name) => name !== guest.name)) {
        await guest.sees(other, { count: 3 });
        await guest.hears(other);
      }
    }
  } finally {
    for (const guest of guests) await guest.close();
  }
});

/** @param {Guest} guest @param {string} name @param {number} level */
function quality(guest, name, level) {
  return guest.page.evaluate(([name, level]) => {
    const participant = [...(window.__tutti?.room.remoteParticipants.values() ?? [])].find((other) => other.name === name);
    participant?.getTrackPublication(/** @type {any} */ ('camera'))?.setVideoQuality(/** @type {any} */ (level));
  }, /** @type {const} */ ([name, level]));
}

/** No frame arrived for a second. @param {Guest} guest @param {string} name */
async function stalls(guest, name) {
  const before = (await guest.video(name))?.framesDecoded ?? 0;
  return guest.page.evaluate(async ([name, before]) => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const participant = [...(window.__tutti?.room.remoteParticipants.values() ?? [])].find((other) => other.name === name);
    const report = await participant?.getTrackPublication(/** @type {any} */ ('camera'))?.track?.getRTCStatsReport();
    /** @type {any} */
    const inbound = [...(report?.values() ?? [])].find((stat) => stat.type === 'inbound-rtp');
    return inbound?.framesDecoded === before;
  }, /** @type {const} */ ([name, before]));
}

/** @param {Guest} guest @param {string} mime */
function canEncode(guest, mime) {
  return guest.page.evaluate((mime) => RTCRtpSender.getCapabilities('video')?.codecs.some((codec) => codec.mimeType.toLowerCase() === mime), mime);
}
