// @ts-check
/** A back end on `livekit-server-sdk` drives every method of the server API, with people and media in the room. */
import './quiet.mjs';
import { RoomEvent, TrackKind } from '@livekit/rtc-node';
import { AgentDispatchClient, DataPacket_Kind } from 'livekit-server-sdk';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY, SECRET, SERVER_URL, backEnd, newRoom } from '../harness/access.mjs';
import { until } from '../harness/until.mjs';
import { join, leave, next, playTone, trackOf } from './people.mjs';

const notFound = { code: 'not_found', status: 404 };

test('rooms and participants', async () => {
  const server = backEnd();
  const room = newRoom('api');
  const made = await server.createRoom({ name: room, metadata: 'first', maxParticipants: 3, emptyTimeout: 60 });
  assert.deepEqual([made.name, made.metadata, made.maxParticipants, made.emptyTimeout], [room, 'first', 3, 60]);
  const [ada, bo] = [await join(room, 'ada'), await join(room, 'bo', { autoSubscribe: false })];
  const tone = await playTone(ada, 440);
  const publication = await until('Bo sees the microphone', () => [...(bo.remoteParticipants.get('ada')?.trackPublications.values() ?? [])][0]);
  const sid = publication?.sid ?? '';

  assert.deepEqual((await server.listRooms([room])).map((one) => one.sid), [made.sid]);
  assert.deepEqual((await server.listParticipants(room)).map((one) => one.identity).sort(), ['ada', 'bo']);
  assert.deepEqual((await server.getParticipant(room, 'ada')).tracks.map((one) => one.sid), [sid]);

  const told = next(bo, RoomEvent.RoomMetadataChanged, (metadata) => metadata === 'second');
  assert.equal((await server.updateRoomMetadata(room, 'second')).metadata, 'second');
  await told;
  const changed = await server.updateParticipant(room, 'ada', { name: 'Ada L.', attributes: { hand: 'up' } });
  assert.deepEqual([changed.name, changed.attributes.hand], ['Ada L.', 'up']);
  await until('the hand is seen', () => bo.remoteParticipants.get('ada')?.attributes.hand === 'up');

  await server.updateSubscriptions(room, 'bo', [sid], true);
  await trackOf(bo, 'ada', TrackKind.KIND_AUDIO);
  const muted = next(bo, RoomEvent.TrackMuted);
  assert.equal((await server.mutePublishedTrack(room, 'ada', sid, true)).muted, true);
  await muted;
  await assert.rejects(server.mutePublishedTrack(room, 'ada', sid, false), { code: 'failed_precondition', status: 412 });

  const message = next(bo, RoomEvent.DataReceived, (payload, from, _kind, topic) => Buffer.from(payload).equals(Buffer.from('psst')) && !from && topic === 't');
  await server.sendData(room, Buffer.from('psst'), DataPacket_Kind.RELIABLE, { destinationIdentities: ['bo'], topic: 't' });
  await message;
  await assert.rejects(server.moveParticipant(room, 'ada', newRoom('other')), { code: 'unimplemented', status: 501 });

  const left = next(bo, RoomEvent.ParticipantDisconnected, (who) => who.identity === 'ada');
  await server.removeParticipant(room, 'ada');
  await left;
  await assert.rejects(server.getParticipant(room, 'ada'), notFound);
  const over = next(bo, RoomEvent.Disconnected);
  await server.deleteRoom(room);
  await over;
  await assert.rejects(server.deleteRoom(room), notFound);
  await tone.stop();
  await leave(ada, bo);
});

test('dispatches', async () => {
  const server = new AgentDispatchClient(SERVER_URL, KEY, SECRET);
  const room = newRoom('dispatch');
  const made = await server.createDispatch(room, 'nobody', { metadata: 'm' });
  assert.deepEqual([made.room, made.agentName, made.metadata], [room, 'nobody', 'm']);
  assert.equal((await server.getDispatch(made.id, room))?.id, made.id);
  assert.ok((await server.listDispatch(room)).some((one) => one.id === made.id));
  await server.deleteDispatch(made.id, room);
  await assert.rejects(server.deleteDispatch(made.id, room), notFound);
  await backEnd().deleteRoom(room);
});
