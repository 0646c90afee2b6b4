// @ts-check
/** One person at the demo in a tab of their own: what a test does with the page and reads from it. */
import { withoutVoiceProcessing } from '../harness/chromium.mjs';
import { PATIENCE_MS, until } from '../harness/until.mjs';

/**
 * @typedef {import('../harness/stage.mjs').Stage} Stage
 * @typedef {import('playwright-core').Page} Page
 *
 * @typedef {object} Visit
 * @property {string} [demo] address of another demo than that of the stage
 * @property {string} room
 * @property {string} name
 * @property {'single' | 'dual'} [mode] number of peer connections
 * @property {string} [codec]
 * @property {boolean} [camera]
 * @property {string} [fragment]
 * @property {import('playwright-core').BrowserContextOptions} [context]
 *
 * @typedef {object} VideoSeen
 * @property {number} framesDecoded
 * @property {number} width
 * @property {number} height
 * @property {string} codec lower case, as in `video/vp8`
 *
 * @typedef {object} AudioHeard
 * @property {boolean} published
 * @property {boolean} muted
 * @property {number} packets
 * @property {number} energy of all that was heard so far
 */

export class Guest {
  /** @param {Page} page @param {string} name */
  constructor(page, name) {
    this.page = page;
    this.name = name;
    /** Errors the page threw; a test that expects none checks that it is empty. @type {string[]} */
    this.errors = [];
    page.on('pageerror', (error) => this.errors.push(String(error)));
  }

  /** Opens the start page. @param {Stage} stage @param {Visit} visit */
  static async open(stage, { demo = stage.demo.url, room, name, mode = 'single', codec, fragment, context = {} }) {
    const tab = await stage.browser.newContext({ viewport: { width: 960, height: 640 }, locale: 'en-GB', permissions: ['camera', 'microphone'], ...context });
    tab.setDefaultTimeout(PATIENCE_MS);
    await tab.addInitScript(withoutVoiceProcessing);
    const guest = new Guest(await tab.newPage(), name);
    const query = new URLSearchParams({ room, ...(mode === 'dual' && { single: '0' }), ...(codec && { codec }) });
    await guest.page.goto(`${demo}/?${query}${fragment ? `#${fragment}` : ''}`);
    return guest;
  }

  /** Opens the page and enters the call. @param {Stage} stage @param {Visit} visit */
  static async join(stage, visit) {
    const guest = await Guest.open(stage, visit);
    if (visit.camera === false) await guest.page.getByRole('button', { name: 'Turn camera off' }).click();
    await guest.page.getByLabel('Your name').fill(visit.name);
    await guest.page.getByRole('button', { name: 'Join the call' }).click();
    await guest.inCall();
    return guest;
  }

  async inCall() {
    await until(`${this.name} is in the call`, () => this.page.evaluate(() => window.__tutti?.room.state === 'connected' && !!document.querySelector('.controls')));
  }

  /** The tile of someone, by name. @param {string} name @param {'camera' | 'screen'} [source] */
  tile(name, source = 'camera') {
    const label = source === 'screen' ? `${name}’s screen` : name;
    return this.page.locator(`article[data-source=${source}][aria-label="${label}"]`);
  }

  /** @param {'microphone' | 'camera' | 'share' | 'chat' | 'leave'} control */
  async press(control) {
    await this.page.locator(`[data-control=${control}]`).click();
  }

  /** What arrives of someone's picture. @param {string} name @param {'camera' | 'screen_share'} [source] @returns {Promise<VideoSeen | undefined>} */
  video(name, source = 'camera') {
    return this.page.evaluate(async ([name, source]) => {
      const room = /** @type {NonNullable<Window['__tutti']>} */ (window.__tutti).room;
      const participant = [...room.remoteParticipants.values()].find((other) => other.name === name);
      const track = participant?.getTrackPublication(/** @type {any} */ (source))?.track;
      const report = await track?.getRTCStatsReport();
      /** @type {any} */
      const inbound = [...(report?.values() ?? [])].find((stat) => stat.type === 'inbound-rtp' && stat.kind === 'video');
      if (!inbound) return undefined;
      return {
        framesDecoded: inbound.framesDecoded ?? 0,
        width: inbound.frameWidth ?? 0,
        height: inbound.frameHeight ?? 0,
        codec: (report?.get(inbound.codecId)?.mimeType ?? '').toLowerCase(),
      };
    }, /** @type {const} */ ([name, source]));
  }

  /** What arrives of someone's sound. @param {string} name @returns {Promise<AudioHeard>} */
  audio(name) {
    return this.page.evaluate(async (name) => {
      const room = /** @type {NonNullable<Window['__tutti']>} */ (window.__tutti).room;
      const participant = [...room.remoteParticipants.values()].find((other) => other.name === name);
      const publication = participant?.getTrackPublication(/** @type {any} */ ('microphone'));
      const report = await publication?.track?.getRTCStatsReport();
      /** @type {any} */
      const inbound = [...(report?.values() ?? [])].find((stat) => stat.type === 'inbound-rtp' && stat.kind === 'audio');
      return { published: !!publication, muted: !!publication?.isMuted, packets: inbound?.packetsReceived ?? 0, energy: inbound?.totalAudioEnergy ?? 0 };
    }, name);
  }

  /** Waits until `count` more frames of someone were decoded. @param {string} name @param {{ count?: number, source?: 'camera' | 'screen_share' }} [options] */
  async sees(name, { count = 10, source = 'camera' } = {}) {
    /** @type {number | undefined} */
    let first;
    return until(`${this.name} sees ${count} more frames of ${name} (${source})`, async () => {
      const seen = await this.video(name, source);
      if (!seen?.framesDecoded) return undefined;
      // A new stream counts from zero again.
      if (first === undefined || seen.framesDecoded < first) first = seen.framesDecoded;
      return seen.framesDecoded >= first + count ? seen : undefined;
    });
  }

  /** Waits until more of someone was heard. @param {string} name */
  async hears(name) {
    /** @type {number | undefined} */
    let first;
    return until(`${this.name} hears ${name}`, async () => {
      const heard = await this.audio(name);
      if (first === undefined || heard.energy < first) first = heard.energy;
      if (heard.energy <= first + 1e-6) throw new Error(JSON.stringify(heard));
      return true;
    });
  }

  /** Session id of this participant. @returns {Promise<string>} */
  sid() {
    return this.page.evaluate(() => /** @type {NonNullable<Window['__tutti']>} */ (window.__tutti).room.localParticipant.sid);
  }

  /** Starts to write down the room's events; `events` gives them. */
  async record() {
    await this.page.evaluate(() => {
      const room = /** @type {NonNullable<Window['__tutti']>} */ (window.__tutti).room;
      /** @type {string[]} */
      const events = [];
      for (const name of /** @type {const} */ (['reconnecting', 'signalReconnecting', 'reconnected', 'disconnected', 'participantConnected', 'participantDisconnected', 'trackUnsubscribed', 'trackSubscribed'])) {
        room.on(name, () => void events.push(name));
      }
      // A banner may come and go faster than anyone can wait for it.
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) {
          for (const node of addedNodes) {
            const banner = node instanceof HTMLElement && node.dataset.banner;
            if (banner) events.push(`banner ${banner}`);
          }
        }
      }).observe(document.body, { childList: true, subtree: true });
      Object.assign(window, { recorded: events });
    });
  }

  /** @returns {Promise<string[]>} */
  events() {
    return this.page.evaluate(() => /** @type {any} */ (window).recorded);
  }

  async close() {
    await this.page.context().close();
  }
}
