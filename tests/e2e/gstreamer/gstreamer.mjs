// @ts-check
/** A participant made of GStreamer's `webrtcbin`, as a child process; `client.py` says what it tells. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SERVER_URL, tokenFor } from '../harness/access.mjs';
import { until } from '../harness/until.mjs';

const PYTHON = fileURLToPath(new URL('.venv/bin/python', import.meta.url));
const CLIENT = fileURLToPath(new URL('client.py', import.meta.url));
/** No run of it may take longer, whatever happens. */
const LIFE_MS = 800_000;
const STOP_MS = 5_000;

/** @typedef {{ event: string } & Record<string, any>} Told */

export class Device {
  /** @param {import('node:child_process').ChildProcess} child */
  constructor(child) {
    this.child = child;
    /** Everything told so far. @type {Told[]} */
    this.told = [];
    this.errors = '';
    /** @type {Promise<void>} */
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
    if (!child.stdout || !child.stderr) throw new Error('no pipes');
    createInterface(child.stdout).on('line', (line) => this.told.push(JSON.parse(line)));
    child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text));
    this.late = setTimeout(() => child.kill('SIGKILL'), LIFE_MS);
  }

  /** @param {string} room @param {string} name @param {'actpass' | 'active' | 'passive'} setup */
  static async join(room, name, setup) {
    const token = await tokenFor(room, name.toLowerCase(), { name });
    const child = spawn(PYTHON, [CLIENT, '--url', SERVER_URL, '--token', token, '--setup', setup], { stdio: 'pipe' });
    const device = new Device(child);
    try {
      await device.tells('joined');
    } catch (error) {
      await device.leave();
      throw error;
    }
    return device;
  }

  /** Waits for something it tells, past or to come. @param {string} event @param {(told: Told) => boolean} [fits] @param {number} [deadlineMs] */
  async tells(event, fits = () => true, deadlineMs = 90_000) {
    const told = until(`${event} from GStreamer`, () => this.find(event, fits), deadlineMs);
    // One that has ended says nothing more.
    const ended = this.ended.then(() => this.find(event, fits));
    return Promise.race([told, ended]);
  }

  /** @param {string} event @param {(told: Told) => boolean} fits @returns {Told} */
  find(event, fits) {
    const found = this.told.findLast((told) => told.event === event && fits(told));
    if (found) return found;
    const last = this.told.slice(-8).map((told) => JSON.stringify(told));
    throw new Error([`GStreamer did not tell ${event}`, this.errors, ...this.failures().map((told) => JSON.stringify(told)), ...last].join('\n'));
  }

  /** What went wrong. */
  failures() {
    return this.told.filter((told) => ['error', 'leave'].includes(told.event));
  }

  /** Forgets what came of media, so that the next such is from now on. */
  forget() {
    this.told = this.told.filter((told) => !['frames', 'sound'].includes(told.event));
  }

  async leave() {
    this.child.stdin?.end();
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(late);
    clearTimeout(this.late);
  }
}
