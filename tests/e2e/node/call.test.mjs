// @ts-check
/** Two programs on `@livekit/rtc-node` in one room. */
import './quiet.mjs';
import { DataPacketKind, DisconnectReason, RoomEvent, RpcError, SimulateScenarioKind, TrackKind } from '@livekit/rtc-node';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { backEnd, newRoom } from '../harness/access.mjs';
import { until } from '../harness/until.mjs';
import { hears, join, leave, me, meets, next, playTone, sees, showPicture, trackOf } from './people.mjs';

/** @type {import('@livekit/rtc-node').Room} */
let ada;
/** @type {import('@livekit/rtc-node').Room} */
let bo;

beforeEach(async () => {
  const room = newRoom('node');
  ada = await join(room, 'ada');
  bo = await join(room, 'bo');
});

afterEach(async () => {
  await leave(ada, bo);
});

test('sound and pictures cross', async () => {
  const [tone, other, picture] = [await playTone(ada, 440), await playTone(bo, 1000), await showPicture(ada, 640, 360, 170)];
  await hears(await trackOf(bo, 'ada', TrackKind.KIND_AUDIO), 440);
  await hears(await trackOf(ada, 'bo', TrackKind.KIND_AUDIO), 1000);
  await sees(await trackOf(bo, 'ada', TrackKind.KIND_VIDEO), { width: 640, height: 360, luma: 170 });
  await Promise.all([tone.stop(), other.stop(), picture.stop()]);
});

test('reliable data is complete and in order, lossy data arrives', async () => {
  /** @type {Uint8Array[]} */
  const got = [];
  const lossy = next(bo, RoomEvent.DataReceived, (_payload, _participant, kind) => kind === DataPacketKind.KIND_LOSSY);
  bo.on(RoomEvent.DataReceived, (payload, participant, kind, topic) => {
    if (topic === 'order' && participant?.identity === 'ada' && kind === DataPacketKind.KIND_RELIABLE) got.push(payload);
  });
  const sent = Array.from({ length: 100 }, (_, index) => Buffer.concat([Buffer.from([index]), randomBytes(1_000)]));
  for (const payload of sent) await me(ada).publishData(payload, { reliable: true, topic: 'order' });
  await until('all packets arrive', () => got.length === sent.length);
  assert.ok(sent.every((payload, index) => payload.equals(got[index] ?? new Uint8Array())));
  const sending = setInterval(() => void me(ada).publishData(Buffer.from('tick'), { reliable: false, topic: 'lossy' }), 100);
  await lossy.finally(() => clearInterval(sending));
});

test('remote calls return and fail', async () => {
  await meets(ada, 'bo');
  me(bo).registerRpcMethod('greet', async ({ callerIdentity, payload }) => `${callerIdentity}: ${payload}!`);
  me(bo).registerRpcMethod('fail', async () => {
    throw new RpcError(1234, 'no luck');
  });
  const call = (/** @type {string} */ method) => me(ada).performRpc({ destinationIdentity: 'bo', method, payload: 'hello', responseTimeout: 5_000 });
  assert.equal(await call('greet'), 'ada: hello!');
  await assert.rejects(call('fail'), (error) => error instanceof RpcError && error.code === 1234 && error.message === 'no luck');
  await assert.rejects(call('unknown'), (error) => error instanceof RpcError && error.code === RpcError.ErrorCode.UNSUPPORTED_METHOD);
});

test('text and byte streams arrive whole', async () => {
  await meets(ada, 'bo');
  const text = Array.from({ length: 20_000 }, (_, n) => `${n} 合唱`).join(' ');
  const bytes = randomBytes(300_000);
  const gotText = new Promise((resolve) => bo.registerTextStreamHandler('novel', async (reader) => resolve(await reader.readAll())));
  const gotBytes = new Promise((resolve) => bo.registerByteStreamHandler('score', async (reader) => resolve(Buffer.concat(await reader.readAll()))));
  await me(ada).sendText(text, { topic: 'novel' });
  const writer = await me(ada).streamBytes({ topic: 'score', name: 'score.bin', totalSize: bytes.length });
  for (let at = 0; at < bytes.length; at += 15_000) await writer.write(bytes.subarray(at, at + 15_000));
  await writer.close();
  assert.equal(await gotText, text);
  assert.ok(bytes.equals(/** @type {Buffer} */ (await gotBytes)));
});

test('attributes, metadata and name reach the other', async () => {
  await me(ada).setAttributes({ instrument: 'violin' });
  await me(ada).updateMetadata('first chair');
  await me(ada).updateName('Ada L.');
  const seen = await meets(bo, 'ada');
  await until('Bo knows', () => seen.attributes.instrument === 'violin' && seen.metadata === 'first chair' && seen.name === 'Ada L.');
});

test('unpublishing and leaving are told', async () => {
  const tone = await playTone(ada, 440);
  const track = await trackOf(bo, 'ada', TrackKind.KIND_AUDIO);
  const unpublished = next(bo, RoomEvent.TrackUnpublished);
  await me(ada).unpublishTrack(/** @type {string} */ (tone.publication.sid));
  assert.equal((await unpublished)[0].sid, track.sid);
  await tone.stop();
  const left = next(bo, RoomEvent.ParticipantDisconnected);
  await ada.disconnect();
  const [gone] = await left;
  assert.equal(gone.identity, 'ada');
  assert.equal(gone.disconnectReason, DisconnectReason.CLIENT_INITIATED);
});

test('a back end mutes a track, takes the right to publish and removes', async () => {
  const room = /** @type {string} */ (ada.name);
  const tone = await playTone(ada, 440);
  const { sid } = await trackOf(bo, 'ada', TrackKind.KIND_AUDIO);
  const muted = next(bo, RoomEvent.TrackMuted);
  assert.equal((await backEnd().mutePublishedTrack(room, 'ada', /** @type {string} */ (sid), true)).muted, true);
  assert.equal((await muted)[0].sid, sid);
  const unpublished = next(bo, RoomEvent.TrackUnpublished);
  const permission = { canSubscribe: true, canPublish: false, canPublishData: true };
  assert.equal((await backEnd().updateParticipant(room, 'ada', { permission })).permission?.canPublish, false);
  assert.equal((await unpublished)[0].sid, sid);
  const [removed, left] = [next(ada, RoomEvent.Disconnected), next(bo, RoomEvent.ParticipantDisconnected)];
  await backEnd().removeParticipant(room, 'ada');
  assert.equal((await removed)[0], DisconnectReason.PARTICIPANT_REMOVED);
  assert.equal((await left)[0].identity, 'ada');
  await tone.stop();
});

test('a lost signal connection resumes in place', async () => {
  const tone = await playTone(ada, 440);
  const track = await trackOf(bo, 'ada', TrackKind.KIND_AUDIO);
  await hears(track, 440);
  const { sid } = me(ada);
  const back = next(ada, RoomEvent.Reconnected, undefined, 30_000);
  await ada.simulateScenario(SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT);
  await back;
  assert.equal(me(ada).sid, sid);
  await hears(await trackOf(bo, 'ada', TrackKind.KIND_AUDIO), 440);
  await tone.stop();
});

test('eight people enter one room at once', async () => {
  const room = newRoom('crowd');
  const crowd = await Promise.all(Array.from({ length: 8 }, (_, index) => join(room, `p${index}`)));
  try {
    await until('everyone sees everyone', () => crowd.every((one) => one.remoteParticipants.size === crowd.length - 1), 30_000);
  } finally {
    await leave(...crowd);
  }
});
