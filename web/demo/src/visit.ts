/**
 * The way of one visitor through the page: start, entering, in the call, left. Owns the preview, the call and the
 * address bar, and gives tests their handle on the room.
 */
import { signal } from '@preact/signals';
import type { Room } from 'livekit-client';
import { type Access, AccessError, handsOutTokens, requestAccess, roomOfToken, socketAddress } from './access/access.ts';
import { type Seat, forgetSeat, identityFor, rememberName, rememberSeat, rememberedName, rememberedSeat } from './access/seat.ts';
import { Call } from './call/call.ts';
import { type Failure, joinFailure } from './call/failure.ts';
import { Devices } from './devices/devices.ts';
import { Preview } from './devices/preview.ts';
import { addressOf, readPageRequest } from './page.ts';

declare global {
  interface Window {
    /** For tests: the room of the call under way. */
    __tutti?: { room: Room };
  }
}

export type Place =
  | { readonly at: 'start' }
  | { readonly at: 'entering'; readonly isReturn: boolean }
  | { readonly at: 'call'; readonly call: Call; readonly room: string }
  | { readonly at: 'left'; readonly failure: Failure | undefined };

/** What the visitor filled in. */
export interface Wish {
  readonly name: string;
  readonly room: string;
  /** Only where the server hands out no tokens. */
  readonly token: string;
}

const ROOM_NAME_BYTES_MAX = 256;

export class Visit {
  readonly request = readPageRequest(location.search, location.hash);
  readonly devices = new Devices();
  readonly preview = new Preview(this.devices);
  readonly place = signal<Place>({ at: 'start' });
  readonly failure = signal<Failure | undefined>(undefined);
  readonly needsToken = signal(false);
  readonly wish = signal<Wish>({ name: rememberedName(), room: this.request.room, token: this.request.token });

  /** A tab that was reloaded in the middle of a call goes straight back to it. */
  async begin(): Promise<void> {
    // Out of the browser's back/forward cache comes a page whose call is over.
    addEventListener('pageshow', (event) => event.persisted && location.reload());
    const seat = this.request.token ? undefined : rememberedSeat();
    void this.preview.start();
    if (seat && seat.room === this.request.room) {
      this.wish.value = { name: seat.name, room: seat.room, token: '' };
      this.place.value = { at: 'entering', isReturn: true };
      return this.#enter(seat, () => requestAccess(pageBase(), seat));
    }
    if (this.request.token) {
      // Used once: neither a reload nor a copied address shall carry it on.
      history.replaceState(null, '', addressOf(this.request.room, location.href));
      this.needsToken.value = true;
    } else {
      this.needsToken.value = !(await handsOutTokens(pageBase()));
    }
  }

  /** Takes the wish of the start page to the room, or says what is missing. */
  async join(): Promise<void> {
    const wish = this.wish.value;
    const name = wish.name.trim();
    const room = this.needsToken.value ? (roomOfToken(wish.token) ?? '') : wish.room.trim();
    this.failure.value = this.#objection(name, room, wish.token);
    if (this.failure.value) return;
    rememberName(name);
    this.place.value = { at: 'entering', isReturn: false };
    const seat: Seat = { room, name, identity: identityFor(name) };
    if (this.needsToken.value) {
      await this.#enter(undefined, async () => ({ url: socketAddress(pageBase()), token: wish.token.trim() }), room);
    } else {
      await this.#enter(seat, () => requestAccess(pageBase(), seat));
    }
  }

  /** Back from the page that says the call is over. */
  returnToStart(): void {
    this.failure.value = undefined;
    this.place.value = { at: 'start' };
    void this.preview.start();
  }

  #objection(name: string, room: string, token: string): Failure | undefined {
    if (this.needsToken.value) {
      if (token.trim() === '') return { name: 'tokenMissing' };
      return roomOfToken(token) === undefined ? { name: 'tokenMalformed' } : undefined;
    }
    if (name === '') return { name: 'nameMissing' };
    if (room === '') return { name: 'roomMissing' };
    return new TextEncoder().encode(room).length > ROOM_NAME_BYTES_MAX ? { name: 'roomTooLong' } : undefined;
  }

  async #enter(seat: Seat | undefined, access: () => Promise<Access>, room = seat?.room ?? ''): Promise<void> {
    const call = new Call({
      singlePeerConnection: this.request.singlePeerConnection,
      codec: this.request.codec,
      devices: this.devices,
      onEnd: (failure) => this.#end(failure),
    });
    window.__tutti = { room: call.room };
    try {
      const granted = await access();
      await call.join(granted, this.preview.handOver());
      if (seat) rememberSeat(seat);
      history.replaceState(null, '', addressOf(room, location.href));
      this.place.value = { at: 'call', call, room };
    } catch (error) {
      forgetSeat();
      if (error instanceof AccessError && error.failure === 'absent') this.needsToken.value = true;
      else this.failure.value = joinFailure(error);
      this.place.value = { at: 'start' };
      void this.preview.start();
    }
  }

  #end(failure: Failure | undefined): void {
    forgetSeat();
    this.place.value = { at: 'left', failure };
  }
}

function pageBase(): URL {
  return new URL('.', document.baseURI);
}
