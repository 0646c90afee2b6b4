// @ts-check
/**
 * Two measurements, one line of JSON at the end:
 *
 * - `first_frame_ms_p50` median time from calling `connect()` in Chromium to the first frame on screen, over `JOINS`
 *   (default 20) joins, one after the other, of a viewer to a room with one publisher; one more goes before, unmeasured
 * - `joins_per_s`        participants that get connected per second, `CROWD` (default 60) of them, ten to a room,
 *   `AT_ONCE` under way at any time; each leaves when it is in. The clients are Chromium's, on the same machine, and
 *   cost far more than the server does: a lower bound
 * - `lost`               joins of either kind that failed or were not done in time
 *
 * `MODE` is `single` (default) or `dual`, the number of peer connections of the viewer.
 */
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { SOCKET_URL, newRoom, tokenFor } from '../../tests/e2e/harness/access.mjs';
import { launchChromium } from '../../tests/e2e/harness/chromium.mjs';
import { join, showPicture } from '../../tests/e2e/node/people.mjs';

const JOINS = number('JOINS', 20);
const CROWD = number('CROWD', 60);
const SINGLE = process.env.MODE !== 'dual';
const AT_ONCE = 6;
const PER_ROOM = 10;
const FIRST_FRAME_MS_MAX = 10_000;
const CLIENT_LIBRARY = fileURLToPath(new URL('../../tests/e2e/node_modules/livekit-client/dist/livekit-client.esm.mjs', import.meta.url));

const site = await serveClient();
const browser = await launchChromium();
const page = await browser.newPage();
await page.goto(site.url);
const frames = await firstFrames();
const crowd = await crowdOfJoins();
await browser.close();
site.close();
const sorted = frames.filter((ms) => ms !== undefined).sort((a, b) => a - b);
const lost = frames.length - sorted.length + crowd.lost;
console.log(`first frame: ${sorted.map((ms) => Math.round(ms)).join(' ')} ms`);
console.log(JSON.stringify({ first_frame_ms_p50: round(percentile(sorted, 0.5)), joins_per_s: round(crowd.perSecond), lost }));
process.exit(lost === 0 ? 0 : 1);

/** @returns {Promise<(number | undefined)[]>} milliseconds, `undefined` for a join that failed */
async function firstFrames() {
  const room = newRoom('bench-frame');
  const publisher = await join(room, 'publisher');
  const picture = await showPicture(publisher, 640, 360, 120);
  /** @type {(number | undefined)[]} */
  const taken = [];
  for (let index = -1; index < JOINS; index += 1) {
    const token = await tokenFor(room, `viewer-${index}`, { grant: { canPublish: false } });
    const ms = await page.evaluate(viewOnce, { url: SOCKET_URL, token, single: SINGLE, limit: FIRST_FRAME_MS_MAX });
    if (index >= 0) taken.push(ms ?? undefined);
  }
  await picture.stop();
  await publisher.disconnect();
  return taken;
}

/**
 * Runs in the page: joins, waits for the first frame, leaves.
 *
 * @param {{ url: string, token: string, single: boolean, limit: number }} task
 * @returns {Promise<number | null>} milliseconds
 */
async function viewOnce({ url, token, single, limit }) {
  // @ts-ignore: served beside the page
  const { Room } = await import('./livekit-client.mjs');
  const room = new Room({ singlePeerConnection: single });
  const video = document.createElement('video');
  video.muted = true;
  document.body.replaceChildren(video);
  const start = performance.now();
  const shown = new Promise((resolve) => {
    room.on('trackSubscribed', (/** @type {import('livekit-client').RemoteTrack} */ track) => {
      if (track.kind !== 'video') return;
      track.attach(video);
      video.requestVideoFrameCallback(() => resolve(performance.now() - start));
    });
    setTimeout(() => resolve(null), limit);
  });
  try {
    await room.connect(url, token);
    return await shown;
  } catch {
    return null;
  } finally {
    await room.disconnect();
  }
}

/** @returns {Promise<{ url: string, close: () => void }>} an empty page with the client library beside it */
async function serveClient() {
  const server = createServer((request, response) => {
    const isLibrary = request.url === '/livekit-client.mjs';
    response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
    if (isLibrary) createReadStream(CLIENT_LIBRARY).pipe(response);
    else response.end('<!doctype html><title>viewer</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/`, close };
}

/** @returns {Promise<{ perSecond: number, lost: number }>} */
async function crowdOfJoins() {
  const topic = newRoom('bench-crowd');
  const tokens = await Promise.all(
    Array.from({ length: CROWD }, (_, index) => tokenFor(`${topic}-${Math.floor(index / PER_ROOM)}`, `guest-${index}`)),
  );
  return page.evaluate(joinAll, { url: SOCKET_URL, tokens, single: SINGLE, atOnce: AT_ONCE });
}

/**
 * Runs in the page: joins with every token and leaves at once.
 *
 * @param {{ url: string, tokens: string[], single: boolean, atOnce: number }} task
 */
async function joinAll({ url, tokens, single, atOnce }) {
  // @ts-ignore: served beside the page
  const { Room } = await import('./livekit-client.mjs');
  const waiting = [...tokens];
  let lost = 0;
  const queue = async () => {
    for (let token = waiting.shift(); token; token = waiting.shift()) {
      const room = new Room({ singlePeerConnection: single });
      await room.connect(url, token).catch(() => (lost += 1));
      void room.disconnect();
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: atOnce }, queue));
  return { perSecond: ((tokens.length - lost) * 1000) / (performance.now() - start), lost };
}

/** @param {number[]} sorted @param {number} share */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** @param {string} name @param {number} otherwise */
function number(name, otherwise) {
  return Number(process.env[name] || otherwise);
}
