/** Why a call could not begin or came to an end, as a sentence for the visitor. */
import { ConnectionError, ConnectionErrorReason, DisconnectReason } from 'livekit-client';
import { AccessError } from '../access/access.ts';
import type { FailureName } from '../text/en.ts';

export interface Failure {
  readonly name: FailureName;
  /** What the server said, for those who can do something with it. */
  readonly detail?: string;
}

/** An attempt to join failed. */
export function joinFailure(error: unknown): Failure {
  if (error instanceof AccessError) {
    return error.failure === 'unreachable' ? { name: 'unreachable' } : { name: 'server', detail: error.message };
  }
  if (!(error instanceof ConnectionError)) return { name: 'server', detail: messageOf(error) };
  if (error.message.includes('room does not exist')) return { name: 'roomUnknown' };
  if (error.message.includes('room is full')) return { name: 'roomFull' };
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      return { name: 'tokenRefused', detail: error.message };
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.WebSocket:
    case ConnectionErrorReason.Timeout:
      return { name: 'unreachable' };
    case ConnectionErrorReason.LeaveRequest:
      return endOfCall(error.context as DisconnectReason) ?? { name: 'server', detail: error.message };
    default:
      return { name: /pc connection/i.test(error.message) ? 'blockedMedia' : 'server', detail: error.message };
  }
}

/** A running call ended; `undefined` when the visitor ended it. */
export function endOfCall(reason: DisconnectReason | undefined): Failure | undefined {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return undefined;
    case DisconnectReason.DUPLICATE_IDENTITY:
      return { name: 'elsewhere' };
    case DisconnectReason.PARTICIPANT_REMOVED:
      return { name: 'kicked' };
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return { name: 'roomClosed' };
    case DisconnectReason.SERVER_SHUTDOWN:
      return { name: 'shutdown' };
    case DisconnectReason.JOIN_FAILURE:
      return { name: 'server' };
    default:
      return { name: 'connectionLost' };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
