/** How loud a microphone is right now, for the meter on the first screen. */
import { type LocalAudioTrack, createAudioAnalyser } from 'livekit-client';

const QUIETEST_DB = -60;
const LOUDEST_DB = -12;
const FALL_PER_READING = 0.06;

/** Calls `onLevel` with 0 (silence) to 1 (loud) about 30 times a second until the returned function is called. */
export function followLevel(track: LocalAudioTrack, onLevel: (level: number) => void): () => void {
  const { analyser, cleanup } = createAudioAnalyser(track, { fftSize: 1024 });
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    shown = Math.max(levelOf(samples), shown - FALL_PER_READING);
    onLevel(shown);
  }, 33);
  return () => {
    clearInterval(timer);
    void cleanup();
  };
}

/** Loudness of PCM samples in -1..1, on a scale that follows the ear. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / Math.max(samples.length, 1) + 1e-12);
  return Math.min(Math.max((db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB), 0), 1);
}
