/**
 * Camera and microphone before the call: opened for the preview, then handed over to the room as they are, so that
 * joining neither opens a device a second time nor waits for one that is slow to open.
 */
import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import {
  type LocalAudioTrack,
  type LocalTrack,
  type LocalVideoTrack,
  VideoPresets,
  createLocalAudioTrack,
  createLocalVideoTrack,
} from 'livekit-client';
import type { FailureName } from '../text/en.ts';
import type { Devices } from './devices.ts';
import { type CaptureKind, captureFailure } from './failure.ts';

export type Capture<T extends LocalTrack> =
  | { readonly state: 'off' }
  | { readonly state: 'starting'; readonly track: Promise<T> }
  | { readonly state: 'on'; readonly track: T }
  | { readonly state: 'failed'; readonly failure: FailureName };

/** A device on its way into the call. */
export interface Handover {
  readonly kind: CaptureKind;
  /** Rejects when the device cannot be opened. */
  readonly track: Promise<LocalTrack>;
}

const WANTED = 'tutti.wanted';

export class Preview {
  readonly #camera: Source<LocalVideoTrack>;
  readonly #microphone: Source<LocalAudioTrack>;

  constructor(readonly devices: Devices) {
    this.#camera = new Source('camera', devices, () =>
      createLocalVideoTrack({
        resolution: VideoPresets.h720.resolution,
        deviceId: devices.present('videoinput'),
      }),
    );
    this.#microphone = new Source('microphone', devices, () =>
      createLocalAudioTrack({ deviceId: devices.present('audioinput') }),
    );
  }

  get camera(): ReadonlySignal<Capture<LocalVideoTrack>> {
    return this.#camera.capture;
  }

  get microphone(): ReadonlySignal<Capture<LocalAudioTrack>> {
    return this.#microphone.capture;
  }

  /** Opens what the visitor had on last time; both on the first visit. */
  async start(): Promise<void> {
    await Promise.all([this.#camera, this.#microphone].map((source) => source.startIfWanted()));
  }

  setCamera(on: boolean): Promise<void> {
    return this.#camera.set(on);
  }

  setMicrophone(on: boolean): Promise<void> {
    return this.#microphone.set(on);
  }

  async choose(kind: 'videoinput' | 'audioinput', id: string): Promise<void> {
    this.devices.choose(kind, id);
    const source = kind === 'videoinput' ? this.#camera : this.#microphone;
    if (source.capture.value.state !== 'off') await source.reopen();
  }

  /** Gives away what is open and what is opening; whoever takes it stops it. */
  handOver(): Handover[] {
    return [this.#microphone, this.#camera].flatMap((source) => {
      const track = source.take();
      return track ? [{ kind: source.kind, track }] : [];
    });
  }
}

/** One device: off, starting, on or failed. Only the newest opening counts; an overtaken one is closed. */
class Source<T extends LocalTrack> {
  readonly capture: Signal<Capture<T>> = signal({ state: 'off' });

  constructor(
    readonly kind: CaptureKind,
    readonly devices: Devices,
    readonly open: () => Promise<T>,
  ) {}

  async startIfWanted(): Promise<void> {
    if (localStorage.getItem(`${WANTED}.${this.kind}`) !== 'off') await this.reopen();
  }

  async set(on: boolean): Promise<void> {
    localStorage.setItem(`${WANTED}.${this.kind}`, on ? 'on' : 'off');
    if (on) await this.reopen();
    else this.#close();
  }

  async reopen(): Promise<void> {
    this.#close();
    const starting: Capture<T> = { state: 'starting', track: this.open() };
    this.capture.value = starting;
    try {
      const track = await starting.track;
      if (this.capture.value === starting) this.capture.value = { state: 'on', track };
    } catch (error) {
      if (this.capture.value === starting) this.capture.value = { state: 'failed', failure: captureFailure(error, this.kind) };
      return;
    }
    await this.devices.refresh();
  }

  /** The track that is open or opening, no longer shown here. */
  take(): Promise<T> | undefined {
    const capture = this.capture.value;
    this.capture.value = { state: 'off' };
    if (capture.state === 'starting') return capture.track;
    return capture.state === 'on' ? Promise.resolve(capture.track) : undefined;
  }

  #close(): void {
    stopWhenOpen(this.take());
  }
}

/** Closes a device that may still be opening. */
export function stopWhenOpen(track: Promise<LocalTrack> | undefined): void {
  track?.then(
    (open) => open.stop(),
    () => undefined, // It never opened.
  );
}
