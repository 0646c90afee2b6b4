// @ts-check
/** Where the server under test is, and tokens for it. */
import { AccessToken, RoomConfiguration, RoomServiceClient } from 'livekit-server-sdk';

export const KEY = process.env.TUTTI_API_KEY ?? 'devkey';
export const SECRET = process.env.TUTTI_API_SECRET ?? 'secret';

/** Address of the server as `http://host:port`, without a slash at the end. */
export const SERVER_URL = (process.env.TUTTI_URL ?? 'http://127.0.0.1:7880').replace(/^ws/, 'http').replace(/\/$/, '');

/** The same as a `ws:` address, as SDKs like it. */
export const SOCKET_URL = SERVER_URL.replace(/^http/, 'ws');

/**
 * @param {string} room
 * @param {string} identity
 * @param {{ name?: string, grant?: import('livekit-server-sdk').VideoGrant, maxParticipants?: number }} [more]
 */
export function tokenFor(room, identity, { name = identity, grant = {}, maxParticipants = 0 } = {}) {
  const token = new AccessToken(KEY, SECRET, { identity, name, ttl: '1h' });
  token.addGrant({ room, roomJoin: true, canUpdateOwnMetadata: true, ...grant });
  if (maxParticipants > 0) token.roomConfig = new RoomConfiguration({ maxParticipants });
  return token.toJwt();
}

/** The server API, as a back end calls it. */
export const backEnd = () => new RoomServiceClient(SERVER_URL, KEY, SECRET);

let rooms = 0;

/** A room name that no other test and no earlier run uses. */
export function newRoom(/** @type {string} */ topic) {
  rooms += 1;
  return `${topic}-${process.pid.toString(36)}-${Date.now().toString(36)}-${rooms}`;
}
