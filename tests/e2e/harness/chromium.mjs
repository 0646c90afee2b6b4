// @ts-check
/** Chromium with pretend devices. Found by `TUTTI_E2E_CHROMIUM`, else by its usual names on the path. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { onPath } from './path.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  // Tabs in the background are participants too.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];

export const chromiumPath = () => onPath('TUTTI_E2E_CHROMIUM', NAMES);

/** Starts Chromium; its microphone hears a steady tone. @param {string[]} [more] further flags */
export async function launchChromium(more = []) {
  const folder = mkdtempSync(join(tmpdir(), 'tutti-chromium-'));
  const tone = join(folder, 'tone.wav');
  writeFileSync(tone, toneFile());
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    args: [...FLAGS, `--use-file-for-fake-audio-capture=${tone}`, ...more],
  });
  browser.on('disconnected', () => rmSync(folder, { recursive: true, force: true }));
  return browser;
}

/**
 * Keeps the browser from taking the sound of one pretend microphone for the echo of another, or a tone for noise: all
 * tabs hear the same. Runs inside the page.
 */
export function withoutVoiceProcessing() {
  if (!navigator.mediaDevices) return; // The empty page before the first.
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted = {}) => {
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const audio = wanted.audio && { ...(wanted.audio === true ? {} : wanted.audio), ...raw };
    return open({ ...wanted, audio });
  };
}

/** A WAV file: one second of 440 Hz, mono, that can be repeated without a click. */
function toneFile() {
  const rate = 48_000;
  const file = Buffer.alloc(44 + rate * 2);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + rate * 2, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(rate * 2, 40);
  for (let i = 0; i < rate; i += 1) file.writeInt16LE(Math.round(9000 * Math.sin((2 * Math.PI * 440 * i) / rate)), 44 + i * 2);
  return file;
}
