// @ts-check
/** The way into the call, and what a person is told when it is barred. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRoom, tokenFor } from '../harness/access.mjs';
import { serveDemo } from '../harness/demo.mjs';
import { openStage } from '../harness/stage.mjs';
import { until } from '../harness/until.mjs';
import { Guest } from './guest.mjs';

const stage = openStage();

/** @param {string} name @param {(guest: Guest) => Promise<void>} body @param {Partial<import('./guest.mjs').Visit>} [visit] */
function startTest(name, body, visit = {}) {
  test(name, async () => {
    const guest = await Guest.open(stage, { room: newRoom('start'), name: 'Ada', ...visit });
    try {
      await body(guest);
      assert.deepEqual(guest.errors, []);
    } finally {
      await guest.close();
    }
  });
}

startTest('the preview shows the camera and measures the microphone', async ({ page }) => {
  await until('the picture moves', () => page.locator('.preview video').evaluate((video) => /** @type {HTMLVideoElement} */ (video).currentTime > 0.2));
  await until('the meter swings', async () => Number(await page.getByRole('meter').getAttribute('aria-valuenow')) > 0);
  await page.getByLabel('Choose camera').selectOption({ label: 'fake_device_0' });
  await until('the picture moves again', () => page.locator('.preview video').evaluate((video) => /** @type {HTMLVideoElement} */ (video).currentTime > 0.2));
});

startTest('name and room are asked for', async ({ page }) => {
  await page.getByRole('button', { name: 'Join the call' }).click();
  await page.getByRole('alert').getByText('Tell the others who you are.').waitFor();
  await page.getByLabel('Your name').fill('Ada');
  await page.getByLabel('Room', { exact: true }).fill('');
  await page.getByRole('button', { name: 'Join the call' }).click();
  await page.getByRole('alert').getByText('Name the room you want to enter.').waitFor();
  await page.getByLabel('Room', { exact: true }).fill('r'.repeat(300));
  await page.getByRole('button', { name: 'Join the call' }).click();
  await page.getByRole('alert').getByText('That room name is too long.').waitFor();
});

test('a refused camera is explained, and the call can be joined without it', async () => {
  const room = newRoom('refused');
  const guest = await Guest.open(stage, { room, name: 'Ada' });
  await guest.page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
  });
  await guest.page.reload();
  try {
    await guest.page.getByText('The browser may not use your camera and microphone.').waitFor();
    await guest.page.getByLabel('Your name').fill('Ada');
    await guest.page.getByRole('button', { name: 'Join the call' }).click();
    await guest.inCall();
  } finally {
    await guest.close();
  }
});

test('whoever joins before the devices are open is joined by them', async () => {
  const room = newRoom('slow-devices');
  const ada = await Guest.open(stage, { room, name: 'Ada' });
  await ada.page.addInitScript(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    const ready = new Promise((resolve) => Object.assign(window, { openDevices: resolve }));
    navigator.mediaDevices.getUserMedia = (wanted) => ready.then(() => open(wanted));
  });
  await ada.page.reload();
  const bo = await Guest.join(stage, { room, name: 'Bo' });
  try {
    await ada.page.getByLabel('Your name').fill('Ada');
    await ada.page.getByRole('button', { name: 'Join the call' }).click();
    await ada.inCall();
    await bo.tile('Ada').waitFor();
    // Impatience makes no second track.
    await ada.press('microphone');
    await ada.page.evaluate(() => /** @type {any} */ (window).openDevices());
    await bo.sees('Ada');
    await bo.hears('Ada');
    await ada.page.getByRole('button', { name: 'Mute microphone', exact: true }).waitFor();
    assert.equal(await ada.page.evaluate(() => window.__tutti?.room.localParticipant.trackPublications.size), 2);
    assert.deepEqual(ada.errors, []);
  } finally {
    await ada.close();
    await bo.close();
  }
});

startTest('a Chinese browser gets Chinese, and the switch gives English', async ({ page }) => {
  await page.getByRole('heading', { name: '准备好了吗？' }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  await page.getByRole('button', { name: '语言' }).click();
  await page.getByRole('menuitemradio', { name: 'English' }).click();
  await page.getByRole('heading', { name: 'Ready when you are' }).waitFor();
}, { context: { locale: 'zh-CN' } });

startTest('the appearance follows the system and the switch', async ({ page }) => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await page.getByRole('button', { name: 'Appearance' }).click();
  await page.getByRole('menuitemradio', { name: 'Light' }).click();
  await until('the page turns light', async () => (await paper()) !== dark);
}, { context: { colorScheme: 'dark' } });

startTest('the keyboard alone is enough to enter, mute, open a menu and leave', async (guest) => {
  const { page } = guest;
  await page.getByLabel('Your name').fill('Ada');
  await page.keyboard.press('Enter');
  await guest.inCall();
  await page.getByRole('button', { name: 'Mute microphone', exact: true }).waitFor();
  await page.keyboard.press('m');
  await page.getByRole('button', { name: 'Unmute microphone' }).waitFor();
  await page.getByRole('button', { name: 'Choose camera' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menu', { name: 'Choose camera' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  await page.getByRole('menu').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Leave the call' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'You left the call' }).waitFor();
});

startTest('a phone has everything within its screen', async (guest) => {
  const { page } = guest;
  await page.getByLabel('Your name').fill('Ada');
  await page.getByRole('button', { name: 'Join the call' }).click();
  await guest.inCall();
  for (const button of await page.locator('.controls button:visible').all()) {
    const box = await button.boundingBox();
    assert.ok(box && box.x >= 0 && box.x + box.width <= 360 && box.y + box.height <= 740, JSON.stringify(box));
  }
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing scrolls sideways');
}, { context: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true } });

test('a second tab with the same identity ends the first with a reason', async () => {
  const room = newRoom('twice');
  const first = await Guest.join(stage, { room, name: 'Ada' });
  try {
    const token = await tokenFor(room, await first.page.evaluate(() => /** @type {any} */ (window.__tutti).room.localParticipant.identity));
    const open = await serveDemo({ withTokens: false });
    const second = await Guest.open(stage, { demo: open.url, room: '', name: 'Ada' });
    await second.page.getByLabel('Access token').fill(token);
    await second.page.getByRole('button', { name: 'Join the call' }).click();
    await first.page.getByText('You joined this call from another tab or device.').waitFor();
    await second.close();
    open.close();
  } finally {
    await first.close();
  }
});

test('where no tokens are handed out, a pasted one opens its room', async () => {
  const bare = await serveDemo({ withTokens: false });
  const room = newRoom('pasted');
  const guest = await Guest.open(stage, { demo: bare.url, room: '', name: 'Ada' });
  const { page } = guest;
  try {
    const field = page.getByLabel('Access token');
    await field.fill('nonsense');
    await page.getByRole('button', { name: 'Join the call' }).click();
    await page.getByRole('alert').getByText('That does not look like a token.').waitFor();
    await field.fill((await tokenFor(room, 'ada')).replace(/.{8}$/, 'AAAAAAAA'));
    await page.getByRole('button', { name: 'Join the call' }).click();
    await page.getByRole('alert').getByText('The server refused the token.').waitFor();
    await field.fill(await tokenFor(room, 'ada', { name: 'Ada' }));
    await page.getByText(`This token opens the room “${room}”.`).waitFor();
    await page.getByRole('button', { name: 'Join the call' }).click();
    await guest.inCall();
  } finally {
    await guest.close();
    bare.close();
  }
});

test('a link with a token needs nothing more, and the address forgets the token', async () => {
  const room = newRoom('link');
  const token = await tokenFor(room, 'ada', { name: 'Ada' });
  const guest = await Guest.open(stage, { room, name: 'Ada', fragment: `token=${token}` });
  try {
    await guest.page.getByText(`This token opens the room “${room}”.`).waitFor();
    assert.ok(!guest.page.url().includes('token'));
    await guest.page.getByRole('button', { name: 'Join the call' }).click();
    await guest.inCall();
  } finally {
    await guest.close();
  }
});

test('a full room is named as such', async () => {
  const room = newRoom('full');
  /** @param {string} name */
  const join = async (name) => {
    const token = await tokenFor(room, name, { maxParticipants: 1 });
    const guest = await Guest.open(stage, { room, name, fragment: `token=${token}` });
    await guest.page.getByRole('button', { name: 'Join the call' }).click();
    return guest;
  };
  const ada = await join('Ada');
  await ada.inCall();
  const bea = await join('Bea');
  try {
    await bea.page.getByRole('alert').getByText('The room is full.').waitFor();
  } finally {
    await bea.close();
    await ada.close();
  }
});

test('a server that cannot be reached is named as such', async () => {
  const gone = await serveDemo({ withTokens: true });
  const guest = await Guest.open(stage, { demo: gone.url, room: newRoom('gone'), name: 'Ada' });
  gone.close();
  try {
    await guest.page.getByLabel('Your name').fill('Ada');
    await guest.page.getByRole('button', { name: 'Join the call' }).click();
    await guest.page.getByRole('alert').getByText('The server cannot be reached.').waitFor();
  } finally {
    await guest.close();
  }
});
