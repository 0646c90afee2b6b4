// @ts-check
/** One person at the demo in a window of Firefox: a guest as in Chromium, who comes in by a link. */
import { Guest } from '../browser/guest.mjs';
import { tokenFor } from '../harness/access.mjs';
import { withoutVoiceProcessing } from '../harness/chromium.mjs';
import { until } from '../harness/until.mjs';

const VIEWPORT = { width: 960, height: 640 };

export class Fox extends Guest {
  /** @param {import('../harness/firefox.mjs').Firefox} firefox @param {import('../browser/guest.mjs').Visit & { demo: string, tcpOnly?: boolean }} visit */
  static async enter(firefox, { demo, room, name, mode = 'single', tcpOnly = false }) {
    const window = await firefox.open(VIEWPORT);
    await window.addInitScript(withoutVoiceProcessing);
    if (tcpOnly) await window.addInitScript(keepToTcp);
    const fox = new Fox(/** @type {any} */ (window), name);
    const token = await tokenFor(room, name.toLowerCase(), { name });
    const query = new URLSearchParams({ room, ...(mode === 'dual' && { single: '0' }) });
    await window.goto(`${demo}/?${query}#token=${token}`);
    await until(`${name} may join`, () => window.evaluate(join));
    await fox.inCall();
    return fox;
  }

  /** The first of these codecs that it can decode. @param {readonly string[]} codecs @returns {Promise<string>} */
  async decodes(codecs) {
    /** @type {string[]} */
    const known = await this.page.evaluate(() => RTCRtpReceiver.getCapabilities('video')?.codecs.map((codec) => codec.mimeType.toLowerCase()) ?? []);
    const first = codecs.find((codec) => known.includes(`video/${codec}`));
    if (!first) throw new Error(`Firefox decodes none of ${codecs}, but ${known}`);
    return first;
  }

  /** Transport protocols of the paths that are in use. @returns {Promise<string[]>} */
  protocols() {
    return this.page.evaluate(async () => {
      const { publisher, subscriber } = /** @type {any} */ (window.__tutti?.room.engine).pcManager;
      const found = [];
      for (const transport of [publisher, subscriber]) {
        const report = await transport?.getStats();
        for (const stat of report?.values() ?? []) {
          if (stat.type === 'candidate-pair' && stat.selected) found.push(report.get(stat.localCandidateId)?.protocol);
        }
      }
      return found;
    });
  }

  async close() {
    await this.page.close();
  }
}

/** Presses the button that leads into the call, once the devices are there. Runs inside the page. */
function join() {
  const isMoving = [...document.querySelectorAll('video')].some((video) => video.currentTime > 0);
  const button = [...document.querySelectorAll('button')].find((one) => one.textContent?.includes('Join the call'));
  if (!isMoving || !button) return false;
  button.click();
  return true;
}

/** Hides UDP from both sides, as a network does that lets none through. Runs inside the page. */
function keepToTcp() {
  const isUdp = (/** @type {string | undefined} */ text) => / udp /i.test(text ?? '');
  const without = (/** @type {any} */ { type, sdp }) => {
    const lines = /** @type {string} */ (sdp).split('\r\n');
    return { type, sdp: lines.filter((line) => !(line.startsWith('a=candidate:') && isUdp(line))).join('\r\n') };
  };
  const connection = /** @type {any} */ (RTCPeerConnection.prototype);
  const { addIceCandidate, createAnswer, createOffer, setRemoteDescription } = connection;
  Object.assign(connection, {
    async addIceCandidate(/** @type {any} */ candidate) {
      if (!isUdp(candidate?.candidate)) await addIceCandidate.call(this, candidate);
    },
    async createAnswer(/** @type {any[]} */ ...options) {
      return without(await createAnswer.apply(this, options));
    },
    async createOffer(/** @type {any[]} */ ...options) {
      return without(await createOffer.apply(this, options));
    },
    setRemoteDescription(/** @type {any} */ description) {
      return setRemoteDescription.call(this, without(description));
    },
  });
  Object.defineProperty(connection, 'onicecandidate', {
    set(listener) {
      this.addEventListener('icecandidate', (/** @type {RTCPeerConnectionIceEvent} */ event) => {
        if (!isUdp(event.candidate?.candidate)) listener?.call(this, event);
      });
    },
  });
}
