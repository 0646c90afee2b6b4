// @ts-check
/** Participants on `@livekit/rtc-node`, and things for them to publish. */
import './quiet.mjs';
import { AudioFrame, AudioSource, AudioStream, LocalAudioTrack, LocalVideoTrack, Room, RoomEvent, TrackKind, TrackPublishOptions, TrackSource, VideoBufferType, VideoFrame, VideoSource, VideoStream } from '@livekit/rtc-node';
import { SOCKET_URL, tokenFor } from '../harness/access.mjs';
import { until } from '../harness/until.mjs';

const RATE = 48_000;
const SAMPLES = RATE / 50;

/**
 * @param {string} room
 * @param {string} identity
 * @param {{ autoSubscribe?: boolean, grant?: import('livekit-server-sdk').VideoGrant }} [options]
 */
export async function join(room, identity, { autoSubscribe = true, grant } = {}) {
  const session = new Room();
  await session.connect(SOCKET_URL, await tokenFor(room, identity, { grant }), { autoSubscribe, dynacast: false });
  return session;
}

/**
 * Leaves, and waits until it is done, five seconds at most: a session whose last answer arrives in the moment in which it
 * ends never ends in this library (1.1.0; "signal_event taking too much time" in its log), with any server.
 *
 * @param {Room[]} rooms
 */
export async function leave(...rooms) {
  const gone = Promise.allSettled(rooms.map((room) => room.disconnect()));
  await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 5_000))]);
}

/** @param {Room} room */
export function me(room) {
  if (!room.localParticipant) throw new Error('not connected');
  return room.localParticipant;
}

/** @param {Room} room @param {string} identity */
export function meets(room, identity) {
  return until(`${me(room).identity} meets ${identity}`, () => room.remoteParticipants.get(identity));
}

/** First subscribed track of a kind. @param {Room} room @param {string} identity @param {TrackKind} kind */
export function trackOf(room, identity, kind) {
  return until(`${me(room).identity} is subscribed to ${identity}`, () =>
    [...(room.remoteParticipants.get(identity)?.trackPublications.values() ?? [])].find((publication) => publication.kind === kind)?.track,
  );
}

/** Next emission of an event that fits. @param {Room} room @param {RoomEvent} event @param {(...args: any[]) => boolean} [fits] */
export function next(room, event, fits = () => true, deadlineMs = 20_000) {
  return new Promise((/** @type {(args: any[]) => void} */ resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not within ${deadlineMs / 1000} s: ${event}`)), deadlineMs);
    const listen = (/** @type {any[]} */ ...args) => {
      if (!fits(...args)) return;
      clearTimeout(late);
      room.off(/** @type {any} */ (event), listen);
      resolve(args);
    };
    room.on(/** @type {any} */ (event), listen);
  });
}

/** Publishes a tone; gives the way to stop it. @param {Room} room @param {number} hz */
export async function playTone(room, hz) {
  const source = new AudioSource(RATE, 1);
  const track = LocalAudioTrack.createAudioTrack(`tone-${hz}`, source);
  let isOver = false;
  const playing = (async () => {
    for (let at = 0; !isOver; at += SAMPLES) {
      const frame = AudioFrame.create(RATE, 1, SAMPLES);
      for (let i = 0; i < SAMPLES; i += 1) frame.data[i] = Math.round(12_000 * Math.sin((2 * Math.PI * hz * (at + i)) / RATE));
      await source.captureFrame(frame); // Paces itself: waits while the queue is full.
    }
  })();
  const publication = await me(room).publishTrack(track, new TrackPublishOptions({ source: TrackSource.SOURCE_MICROPHONE }));
  const stop = async () => {
    isOver = true;
    await playing;
    await source.close();
  };
  return { publication, stop };
}

/** Publishes a grey picture; gives the way to stop it. @param {Room} room @param {number} width @param {number} height @param {number} luma */
export async function showPicture(room, width, height, luma) {
  const source = new VideoSource(width, height);
  const track = LocalVideoTrack.createVideoTrack('picture', source);
  const data = new Uint8Array((width * height * 3) / 2).fill(128);
  data.fill(luma, 0, width * height);
  const timer = setInterval(() => source.captureFrame(new VideoFrame(data, width, height, VideoBufferType.I420)), 66);
  const publication = await me(room).publishTrack(track, new TrackPublishOptions({ source: TrackSource.SOURCE_CAMERA, simulcast: false }));
  const stop = async () => {
    clearInterval(timer);
    await source.close();
  };
  return { publication, stop };
}

/** How much of a stretch of sound is one frequency: 1 is a pure tone. @param {Int16Array} samples @param {number} hz */
export function purity(samples, hz) {
  let [re, im, energy] = [0, 0, 0];
  for (let i = 0; i < samples.length; i += 1) {
    const angle = (2 * Math.PI * hz * i) / RATE;
    const sample = samples[i] ?? 0;
    re += sample * Math.cos(angle);
    im += sample * Math.sin(angle);
    energy += sample * sample;
  }
  return energy === 0 ? 0 : (2 * (re * re + im * im)) / (samples.length * energy);
}

/** Waits until a track is that tone, loud and nearly pure, for 200 ms. @param {import('@livekit/rtc-node').Track} track @param {number} hz */
export async function hears(track, hz, deadlineMs = 20_000) {
  const reader = new AudioStream(track, RATE, 1).getReader();
  const end = performance.now() + deadlineMs;
  let heard = new Int16Array(0);
  let best = 0;
  try {
    while (performance.now() < end) {
      const { value: frame, done } = await reader.read();
      if (done) break;
      const joined = new Int16Array(heard.length + frame.data.length);
      joined.set(heard);
      joined.set(frame.data, heard.length);
      heard = joined;
      if (heard.length < RATE / 5) continue;
      const loud = heard.some((sample) => Math.abs(sample) > 2_000);
      best = Math.max(best, loud ? purity(heard, hz) : 0);
      if (best > 0.9) return;
      heard = new Int16Array(0);
    }
  } finally {
    await reader.cancel();
  }
  throw new Error(`${hz} Hz not heard within ${deadlineMs / 1000} s, best purity ${best.toFixed(2)}`);
}

/** Waits for a frame of the right size and brightness. @param {import('@livekit/rtc-node').Track} track @param {{ width: number, height: number, luma: number }} wanted */
export async function sees(track, { width, height, luma }, deadlineMs = 20_000) {
  const reader = new VideoStream(track).getReader();
  const end = performance.now() + deadlineMs;
  let last = 'nothing';
  try {
    while (performance.now() < end) {
      const { value, done } = await reader.read();
      if (done) break;
      const frame = value.frame.convert(VideoBufferType.I420);
      const middle = frame.data[(frame.width * frame.height) / 2 + frame.width / 2] ?? 0;
      last = `${frame.width}x${frame.height} luma ${middle}`;
      if (frame.width === width && frame.height === height && Math.abs(middle - luma) < 12) return;
    }
  } finally {
    await reader.cancel();
  }
  throw new Error(`not within ${deadlineMs / 1000} s: ${width}x${height} luma ${luma} (last: ${last})`);
}
