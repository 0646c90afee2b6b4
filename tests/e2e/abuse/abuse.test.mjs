// @ts-check
/** What many at once, and a flood of junk, do to a server: nobody is lost, and no frame of anybody's call. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../harness/until.mjs';
import { load, metrics, TUTTI_BIN } from './load.mjs';

const skip = TUTTI_BIN ? false : 'the load generator is in the server: set TUTTI_BIN';

test('500 clients join at once: all connected, none lost', { skip }, async () => {
  const { figures, code, text } = await load('--publishers', '0', '--subscribers', '500', '--duration', '2s');
  console.log(text);
  assert.equal(figures.joined, 500, text);
  assert.deepEqual(figures.failures, {}, text);
  assert.equal(code, 0, text);
  assert.ok(figures.join_ms_max <= 10_000, `all within ten seconds, not ${figures.join_ms_max} ms`);
  const server = await metrics();
  assert.equal(server('tutti_http_connections_closed_total'), 0, 'nobody was in the way of anybody');
  assert.equal(server('tutti_media_refused_half_open_total'), 0);
});

test('50,000 packets of junk a second cost no frame', { skip }, async () => {
  const before = await metrics();
  const rooms = ['--rooms', '4', '--publishers', '1', '--subscribers', '4', '--video-kbps', '1000'];
  const { figures, code, text } = await load(...rooms, '--duration', '10s', '--flood', '50000');
  const unknown = ['ufrag', 'address', 'protocol'].map((kind) => `tutti_media_dropped_unknown_${kind}_total`);
  const kernel = 'tutti_media_dropped_by_kernel_total';
  // It was a flood, if not quite at the pace asked for where others want the processor too, and the server saw it.
  // Shards tell their figures once a second.
  assert.ok(figures.flood_packets >= 20_000 * figures.seconds, text);
  const [dropped, unseen] = await until('the server tells of the flood', async () => {
    const after = await metrics();
    const grown = [...unknown, kernel].map((name) => after(name) - before(name));
    const unseen = /** @type {number} */ (grown.pop());
    const dropped = grown.reduce((sum, count) => sum + count, 0);
    return dropped + unseen >= 0.9 * figures.flood_packets ? [dropped, unseen] : undefined;
  });
  console.log(`${text}\nserver: ${dropped} of ${figures.flood_packets} dropped, ${unseen} before it saw them`);

  assert.equal(code, 0, text);
  // Nothing of the calls is missing: packets that were asked for again and came count as there.
  const hint = `${unseen} datagrams were dropped by the kernel: is net.core.rmem_max below rtc.socket_buffer_bytes?`;
  assert.equal(figures.lost, 0, `${hint}\n${text}`);
  assert.equal(figures.unknown, 0, text);
  assert.ok(figures.frames >= 16 * 30 * (figures.seconds - 1), `too few frames\n${text}`);
});
