/**
 * One call: owns the room, turns its events into values the pages read, and the visitor's wishes into calls on it.
 * Draws nothing and knows no address bar.
 */
import { computed, signal } from '@preact/signals';
import {
  ConnectionState,
  Room,
  RoomEvent,
  type RoomOptions,
  type TrackPublishOptions,
  type VideoCodec,
  VideoPresets,
} from 'livekit-client';
import type { Access } from '../access/access.ts';
import type { DeviceKind, Devices } from '../devices/devices.ts';
import { type CaptureKind, captureFailure } from '../devices/failure.ts';
import { type Handover, stopWhenOpen } from '../devices/preview.ts';
import type { FailureName } from '../text/en.ts';
import { wording } from '../text/language.ts';
import { Chat } from './chat.ts';
import { type Failure, endOfCall } from './failure.ts';
import { type Member, memberOf } from './member.ts';
import { Notices } from './notices.ts';

export interface CallOptions {
  readonly singlePeerConnection: boolean;
  readonly codec: VideoCodec;
  readonly devices: Devices;
  /** The call is over; a failure unless the visitor left. */
  readonly onEnd: (failure: Failure | undefined) => void;
}

/** Events after which what is on screen may differ. */
const CHANGES = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.ParticipantPermissionsChanged,
  RoomEvent.AudioPlaybackStatusChanged,
] as const;

export class Call {
  readonly room: Room;
  readonly chat: Chat;
  readonly notices = new Notices();
  readonly state = signal(ConnectionState.Connecting);
  /** The visitor first, then the others in the order in which they came. */
  readonly members = signal<readonly Member[]>([]);
  /** The browser wants a click before it lets the others be heard. */
  readonly isSoundBlocked = signal(false);
  readonly me = computed(() => this.members.value.find((member) => member.isLocal));
  readonly isReconnecting = computed(
    () => this.state.value === ConnectionState.Reconnecting || this.state.value === ConnectionState.SignalReconnecting,
  );
  /** Devices from the preview until they are published. A switch waits for them, or there would be two of a kind. */
  readonly #handovers = new Map<CaptureKind, Promise<void>>();
  #refreshQueued = false;
  #isLeaving = false;

  constructor(readonly options: CallOptions) {
    this.room = new Room(roomOptions(options));
    this.chat = new Chat(this.room);
    for (const event of CHANGES) this.room.on(event, this.#queueRefresh);
    this.room
      .on(RoomEvent.ParticipantConnected, ({ name, identity }) => this.notices.say(wording.value.cameIn(name || identity)))
      .on(RoomEvent.ParticipantDisconnected, ({ name, identity }) => this.notices.say(wording.value.wentOut(name || identity)))
      .on(RoomEvent.Reconnected, () => this.notices.say(wording.value.reconnected))
      .on(RoomEvent.MediaDevicesError, (error, kind) => {
        this.#complain(captureFailure(error, kind === 'videoinput' ? 'camera' : 'microphone'));
      })
      .on(RoomEvent.Disconnected, (reason) => {
        if (this.state.value === ConnectionState.Connecting) return; // `join` throws.
        const failure = endOfCall(reason);
        // A page that is being closed or reloaded leaves the room too, but its visitor did not.
        if (failure || this.#isLeaving) options.onEnd(failure);
      });
  }

  /**
   * Connects and publishes what the preview hands over, each device as soon as it is open. Throws when the room cannot be
   * entered.
   */
  async join(access: Access, handovers: readonly Handover[]): Promise<void> {
    try {
      await this.room.connect(access.url, access.token);
    } catch (error) {
      for (const { track } of handovers) stopWhenOpen(track);
      throw error;
    }
    this.#refresh();
    void this.options.devices.refresh();
    for (const handover of handovers) this.#handovers.set(handover.kind, this.#publish(handover));
  }

  async setMicrophone(on: boolean): Promise<void> {
    await this.#handovers.get('microphone');
    await this.room.localParticipant.setMicrophoneEnabled(on).catch((error: unknown) => {
      this.#complain(captureFailure(error, 'microphone'));
    });
    this.#refresh();
  }

  async setCamera(on: boolean): Promise<void> {
    await this.#handovers.get('camera');
    await this.room.localParticipant.setCameraEnabled(on).catch((error: unknown) => {
      this.#complain(captureFailure(error, 'camera'));
    });
    this.#refresh();
  }

  async setSharing(on: boolean): Promise<void> {
    try {
      await this.room.localParticipant.setScreenShareEnabled(on, { audio: true, selfBrowserSurface: 'include' });
    } catch (error) {
      // Closing the browser's picker is a change of mind, not a failure.
      if (!(error instanceof DOMException && error.name === 'NotAllowedError')) this.#complain('shareFailed');
    }
    this.#refresh();
  }

  async chooseDevice(kind: DeviceKind, id: string): Promise<void> {
    this.options.devices.choose(kind, id);
    await this.room.switchActiveDevice(kind, id || 'default', false).catch((error: unknown) => {
      this.#complain(captureFailure(error, kind === 'videoinput' ? 'camera' : 'microphone'));
    });
  }

  async unblockSound(): Promise<void> {
    await this.room.startAudio();
    this.#refresh();
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.room.disconnect();
  }

  async #publish({ kind, track: opening }: Handover): Promise<void> {
    let track;
    try {
      track = await opening;
    } catch (error) {
      this.#complain(captureFailure(error, kind));
      return;
    }
    // While the device opened, the visitor may have left.
    if (this.room.state === ConnectionState.Disconnected) return track.stop();
    try {
      await this.room.localParticipant.publishTrack(track);
    } catch {
      track.stop();
      this.#complain('publishDenied');
    }
    this.#queueRefresh();
  }

  #complain(failure: FailureName): void {
    this.notices.say(wording.value.failures[failure], 'bad');
  }

  /** Events come in bursts; one reading of the room serves them all. */
  readonly #queueRefresh = (): void => {
    if (this.#refreshQueued) return;
    this.#refreshQueued = true;
    queueMicrotask(() => this.#refresh());
  };

  #refresh(): void {
    this.#refreshQueued = false;
    const { room } = this;
    this.state.value = room.state;
    this.isSoundBlocked.value = room.state === ConnectionState.Connected && !room.canPlaybackAudio;
    const others = [...room.remoteParticipants.values()].sort(
      (a, b) => (a.joinedAt?.getTime() ?? 0) - (b.joinedAt?.getTime() ?? 0),
    );
    this.members.value = [room.localParticipant, ...others].map(memberOf);
  }
}

function roomOptions({ singlePeerConnection, codec, devices }: CallOptions): RoomOptions {
  const publishDefaults: TrackPublishOptions = { simulcast: true, videoCodec: codec };
  return {
    singlePeerConnection,
    adaptiveStream: true,
    dynacast: true,
    publishDefaults,
    videoCaptureDefaults: { resolution: VideoPresets.h720.resolution, deviceId: devices.present('videoinput') },
    audioCaptureDefaults: { deviceId: devices.present('audioinput') },
    audioOutput: { deviceId: devices.present('audiooutput') },
  };
}
