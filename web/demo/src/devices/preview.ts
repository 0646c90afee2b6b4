/**
 * Camera and microphone before the call: opened for the preview, then handed over to the room as they are, so that
 * joining opens no device a second time.
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
  | { readonly state: 'starting' }
  | { readonly state: 'on'; readonly track: T }
  | { readonly state: 'failed'; readonly failure: FailureName };

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

  /** Gives the open tracks away; whoever takes them stops them. */
  handOver(): LocalTrack[] {
    return [this.#microphone.take(), this.#camera.take()].filter((track) => track !== undefined);
  }

  stop(): void {
    for (const track of this.handOver()) track.stop();
  }
}

/** One device: off, starting, on or failed. Only the newest opening counts; an overtaken one is closed. */
class Source<T extends LocalTrack> {
  readonly capture: Signal<Capture<T>> = signal({ state: 'off' });
  #opening = 0;

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
    else this.take()?.stop();
  }

  async reopen(): Promise<void> {
    this.take()?.stop();
    const opening = this.#opening;
    this.capture.value = { state: 'starting' };
    try {
      const track = await this.open();
      if (opening !== this.#opening) return track.stop();
      this.capture.value = { state: 'on', track };
      await this.devices.refresh();
    } catch (error) {
      if (opening === this.#opening) this.capture.value = { state: 'failed', failure: captureFailure(error, this.kind) };
    }
  }

  take(): T | undefined {
    this.#opening += 1;
    const capture = this.capture.value;
    this.capture.value = { state: 'off' };
    return capture.state === 'on' ? capture.track : undefined;
  }
}
