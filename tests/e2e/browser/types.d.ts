import type { Room } from 'livekit-client';

declare global {
  interface Window {
    __tutti?: { room: Room };
  }
}
