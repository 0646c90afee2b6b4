/**
 * The seat a tab holds in a call, kept for the life of the tab so that a reload goes straight back to it,
 * and the name a person goes by, kept for the next visit. Storage may be refused by the browser: then nothing is kept.
 */

export interface Seat {
  readonly room: string;
  readonly name: string;
  readonly identity: string;
}

const SEAT = 'tutti.seat';
const NAME = 'tutti.name';

export function rememberSeat(seat: Seat): void {
  write(sessionStorageOrNone(), SEAT, JSON.stringify(seat));
}

export function forgetSeat(): void {
  sessionStorageOrNone()?.removeItem(SEAT);
}

export function rememberedSeat(): Seat | undefined {
  try {
    const seat: unknown = JSON.parse(sessionStorageOrNone()?.getItem(SEAT) ?? 'null');
    return isSeat(seat) ? seat : undefined;
  } catch {
    return undefined;
  }
}

export function rememberName(name: string): void {
  write(localStorageOrNone(), NAME, name);
}

export function rememberedName(): string {
  return localStorageOrNone()?.getItem(NAME) ?? '';
}

/** An identity that reads like the name and is unique enough for a room: `ada-lovelace-k3v9q2`. */
export function identityFor(name: string): string {
  const stem = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32);
  const tail = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => (byte % 36).toString(36)).join('');
  return stem ? `${stem}-${tail}` : tail;
}

function isSeat(value: unknown): value is Seat {
  const seat = value as Partial<Seat> | null;
  return typeof seat?.room === 'string' && typeof seat.name === 'string' && typeof seat.identity === 'string';
}

function write(storage: Storage | undefined, key: string, value: string): void {
  try {
    storage?.setItem(key, value);
  } catch {
    // Full or refused: the call works without.
  }
}

function sessionStorageOrNone(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}

function localStorageOrNone(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}
