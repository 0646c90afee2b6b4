/**
 * Which cameras, microphones and speakers exist and which of them the visitor chose. Choices outlive the visit.
 * Opens no device: that is `preview.ts` before the call and the room during it.
 */
import { type Signal, signal } from '@preact/signals';
import { supportsAudioOutputSelection } from 'livekit-client';

export const DEVICE_KINDS = ['videoinput', 'audioinput', 'audiooutput'] as const;
export type DeviceKind = (typeof DEVICE_KINDS)[number];

export interface DeviceOption {
  readonly id: string;
  /** Empty until the visitor has let the page use a device of this kind. */
  readonly label: string;
}

/** A choice of `''` leaves it to the browser. */
export class Devices {
  readonly options: Record<DeviceKind, Signal<readonly DeviceOption[]>> = {
    videoinput: signal([]),
    audioinput: signal([]),
    audiooutput: signal([]),
  };
  readonly chosen: Record<DeviceKind, Signal<string>> = {
    videoinput: signal(stored('videoinput')),
    audioinput: signal(stored('audioinput')),
    audiooutput: signal(stored('audiooutput')),
  };

  constructor() {
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.refresh());
  }

  /** Reads the list again; called after a permission was given, because labels appear only then. */
  async refresh(): Promise<void> {
    if (!navigator.mediaDevices) return;
    const all = await navigator.mediaDevices.enumerateDevices();
    for (const kind of DEVICE_KINDS) {
      const named = all.filter((device) => device.kind === kind && device.deviceId !== '');
      // Chromium lists aliases of real devices; "system default" stands for them here.
      const real = named.filter(({ deviceId }) => deviceId !== 'default' && deviceId !== 'communications');
      this.options[kind].value = real.map(({ deviceId, label }) => ({ id: deviceId, label: tidy(label) }));
    }
  }

  choose(kind: DeviceKind, id: string): void {
    this.chosen[kind].value = id;
    localStorage.setItem(key(kind), id);
  }

  /** The chosen device if it is still plugged in. */
  present(kind: DeviceKind): string | undefined {
    const id = this.chosen[kind].value;
    const options = this.options[kind].value;
    if (id === '' || (options.length > 0 && !options.some((option) => option.id === id))) return undefined;
    return id;
  }
}

export const canChooseSpeaker = supportsAudioOutputSelection();

function key(kind: DeviceKind): string {
  return `tutti.device.${kind}`;
}

function stored(kind: DeviceKind): string {
  return localStorage.getItem(key(kind)) ?? '';
}

/** Drops the USB ids that browsers append: "HD Webcam (046d:0825)". */
function tidy(label: string): string {
  return label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)$/i, '');
}
