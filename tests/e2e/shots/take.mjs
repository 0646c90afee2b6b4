// @ts-check
/** Takes the pictures of the demo for the README: `docs/images/demo-call.png` and `demo-phone.png`. */
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../harness/chromium.mjs';
import { findDemo } from '../harness/demo.mjs';
import { LOOKS, drawnCamera } from './people.mjs';

const IMAGES = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
const BYTES_MAX = 300_000;
const ROOM = 'rehearsal';

const demo = await findDemo();
const browser = await launchChromium();

const viewer = { viewport: { width: 640, height: 480 } };
const mei = await enter('Mei Lin', 'mei', { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
const ada = await enter('Ada Lovelace', 'ada', viewer);
const bo = await enter('Bo Adeyemi', 'bo', viewer);
const ines = await enter('Inès Duarte', 'ines', viewer);
await bo.locator('[data-control=microphone]').click();
for (const [page, text] of /** @type {const} */ ([
  [ada, 'Shall we take the second movement?'],
  [ines, 'Yes please, from bar 42'],
  [ines, 'The score: https://example.org/score.pdf'],
])) {
  await say(page, text);
}
await mei.locator('[data-control=chat]').click();
await mei.getByText('The score').waitFor();
await say(mei, 'Perfect, on my way to the piano');
await settle(mei, 4);
await mei.mouse.move(640, 790);
await take(mei, 'demo-call.png');

const phone = await enter('李雷', undefined, {
  viewport: { width: 390, height: 780 },
  deviceScaleFactor: 1.5,
  isMobile: true,
  hasTouch: true,
  colorScheme: 'light',
  locale: 'zh-CN',
});
await phone.locator('[data-control=camera]').click();
await phone.locator('.avatar').waitFor();
await settle(phone, 4);
await take(phone, 'demo-phone.png');

await browser.close();
demo.close();

/** @param {string} name @param {string | undefined} look @param {import('playwright-core').BrowserContextOptions} options */
async function enter(name, look, options) {
  const context = await browser.newContext({ locale: 'en-GB', permissions: ['camera', 'microphone'], ...options });
  const page = await context.newPage();
  const drawn = look ? LOOKS[look] : undefined;
  if (drawn) await page.addInitScript(drawnCamera, drawn);
  await page.goto(`${demo.url}/?room=${ROOM}`);
  await page.locator('.preview video').waitFor();
  await page.locator('input[name=name]').fill(name);
  await page.locator('button[type=submit]').click();
  await page.locator('.controls').waitFor();
  return page;
}

/** @param {import('playwright-core').Page} page @param {string} text */
async function say(page, text) {
  const field = page.locator('.composer textarea');
  if (!(await field.isVisible())) await page.locator('[data-control=chat]').click();
  await field.fill(text);
  await field.press('Enter');
  await page.locator('.line', { hasText: text }).waitFor();
}

/** Waits for sharp pictures, someone speaking, a known quality everywhere, and no notices. @param {import('playwright-core').Page} page @param {number} videos */
async function settle(page, videos) {
  await page.waitForFunction(
    (videos) => {
      const playing = [...document.querySelectorAll('article video')].filter((video) => {
        const { videoWidth, clientWidth } = /** @type {HTMLVideoElement} */ (video);
        return videoWidth >= Math.min(clientWidth, 480);
      });
      const isRated = !document.querySelector('article[data-quality=unknown]');
      return playing.length >= videos && isRated && document.querySelector('article[data-speaking=true]') && !document.querySelector('.notice');
    },
    videos,
    { timeout: 60_000 },
  );
}

/** @param {import('playwright-core').Page} page @param {string} file */
async function take(page, file) {
  mkdirSync(IMAGES, { recursive: true });
  await page.screenshot({ path: IMAGES + file });
  const { size } = statSync(IMAGES + file);
  console.log(`${file} ${Math.round(size / 1000)} kB`);
  if (size > BYTES_MAX) throw new Error(`${file} is larger than ${BYTES_MAX / 1000} kB`);
}
