/**
 * What the address of the page asks for. The only reader of the query string:
 *
 * - `room`    name of the room, filled in on the first screen
 * - `single`  `0` joins with two peer connections instead of one
 * - `codec`   camera codec to publish with: `vp8` (default), `vp9`, `h264`, `h265`, `av1`
 * - `#token=` a token to join with; in the fragment, because that part never reaches a server or its log
 */
import type { VideoCodec } from 'livekit-client';

const CODECS: readonly VideoCodec[] = ['vp8', 'vp9', 'h264', 'h265', 'av1'];

export interface PageRequest {
  readonly room: string;
  readonly singlePeerConnection: boolean;
  readonly codec: VideoCodec;
  /** Empty when the page has to ask for one. */
  readonly token: string;
}

/** Reads `?room=choir&single=0` and `#token=…`; unknown or senseless values fall back to the defaults. */
export function readPageRequest(search: string, fragment: string): PageRequest {
  const query = new URLSearchParams(search);
  const codec = query.get('codec')?.toLowerCase();
  return {
    room: query.get('room')?.trim() ?? '',
    singlePeerConnection: query.get('single') !== '0',
    codec: CODECS.find((known) => known === codec) ?? 'vp8',
    token: new URLSearchParams(fragment.replace(/^#/, '')).get('token') ?? '',
  };
}

/** Address of the page for one room; keeps the other parameters, drops the fragment. */
export function addressOf(room: string, current: string): string {
  const address = new URL(current);
  address.searchParams.set('room', room);
  address.hash = '';
  return address.toString();
}
