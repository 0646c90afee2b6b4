// @ts-check
/**
 * Firefox with pretend devices, without a window, driven over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).
 * Found by `TUTTI_E2E_FIREFOX`, else by its usual names on the path.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { onPath } from './path.mjs';

const NAMES = ['firefox-esr', 'firefox'];
const START_MS = 60_000;
const STOP_MS = 8_000;

const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // Windows in the background are participants too.
  'media.suspend-bkgnd-video.enabled': false,
  'dom.min_background_timeout_value': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
  // Nothing of its own on the network.
  'app.normandy.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** A running Firefox: windows by their ids, commands and their answers. */
export class Firefox {
  /** @param {import('node:child_process').ChildProcess} child @param {WebSocket} socket @param {string} profile */
  constructor(child, socket, profile) {
    this.child = child;
    this.socket = socket;
    this.profile = profile;
    this.commands = 0;
    /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
    this.pending = new Map();
    /** What the pages threw, by window. @type {Map<string, (error: string) => void>} */
    this.thrown = new Map();
    socket.on('message', (text) => this.take(JSON.parse(String(text))));
    socket.on('close', () => {
      for (const { reject } of this.pending.values()) reject(new Error('Firefox is gone'));
    });
  }

  static async launch() {
    const profile = mkdtempSync(join(tmpdir(), 'tutti-firefox-'));
    const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    writeFileSync(join(profile, 'user.js'), lines.join(''));
    const path = onPath('TUTTI_E2E_FIREFOX', NAMES);
    const child = spawn(path, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Its own folder for whatever it writes beside the profile.
      env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
    });
    try {
      const socket = new WebSocket(`${await address(child)}/session`);
      await new Promise((resolve, reject) => socket.once('open', () => resolve(undefined)).once('error', reject));
      const firefox = new Firefox(child, socket, profile);
      await firefox.command('session.new', { capabilities: {} });
      await firefox.command('session.subscribe', { events: ['log.entryAdded'] });
      return firefox;
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(profile, { recursive: true, force: true });
      throw error;
    }
  }

  /** @param {string} method @param {Record<string, any>} params @returns {Promise<any>} */
  command(method, params) {
    this.commands += 1;
    const id = this.commands;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** @param {any} message */
  take(message) {
    if (message.method === 'log.entryAdded') {
      const { type, level, text, source } = message.params;
      if (type === 'javascript' && level === 'error') this.thrown.get(source.context)?.(text);
      return;
    }
    const waiting = this.pending.get(message.id);
    this.pending.delete(message.id);
    if (message.type === 'success') waiting?.resolve(message.result);
    else waiting?.reject(new Error(`${message.error}: ${message.message}`));
  }

  /** A window of its own person, with an empty page. @param {{ width: number, height: number }} viewport */
  async open(viewport) {
    const { userContext } = await this.command('browser.createUserContext', {});
    const { context } = await this.command('browsingContext.create', { type: 'window', userContext });
    await this.command('browsingContext.setViewport', { context, viewport });
    return new Window(this, context);
  }

  async close() {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.exitCode === null) {
      const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
      await this.command('browser.close', {}).catch(() => this.child.kill());
      await ended;
      clearTimeout(late);
    }
    this.socket.terminate();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

/** One window: as much of Playwright's `Page` as a guest at the demo needs to be looked at. */
export class Window {
  /** @param {Firefox} firefox @param {string} context */
  constructor(firefox, context) {
    this.firefox = firefox;
    this.context = context;
  }

  /** @param {'pageerror'} _event @param {(error: string) => void} listener */
  on(_event, listener) {
    this.firefox.thrown.set(this.context, listener);
  }

  /** Runs a function in every page of this window before its own scripts. @param {() => void} script */
  async addInitScript(script) {
    await this.firefox.command('script.addPreloadScript', { functionDeclaration: String(script), contexts: [this.context] });
  }

  /** @param {string} url */
  async goto(url) {
    await this.firefox.command('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
  }

  /** Runs a function in the page; argument and result pass as JSON. @param {(argument: any) => any} script @param {any} [argument] */
  async evaluate(script, argument = null) {
    const answer = await this.firefox.command('script.callFunction', {
      functionDeclaration: `async (argument) => JSON.stringify(await (${script})(JSON.parse(argument)))`,
      arguments: [{ type: 'string', value: JSON.stringify(argument) }],
      awaitPromise: true,
      target: { context: this.context },
    });
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails.text);
    return answer.result.type === 'string' ? JSON.parse(answer.result.value) : undefined;
  }

  async close() {
    this.firefox.thrown.delete(this.context);
    await this.firefox.command('browsingContext.close', { context: this.context });
  }
}

/** Where it listens, as it says. @param {import('node:child_process').ChildProcess} child @returns {Promise<string>} */
function address(child) {
  return new Promise((resolve, reject) => {
    let said = '';
    const late = setTimeout(() => reject(new Error(`Firefox did not start within ${START_MS / 1000} s: ${said}`)), START_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Firefox ended at once (${code}): ${said}`)));
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-4_000);
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said)?.[1];
      if (!found) return;
      clearTimeout(late);
      resolve(found);
    });
  });
}
