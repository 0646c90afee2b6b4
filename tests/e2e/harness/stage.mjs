// @ts-check
/** Chromium and the demo for the tests of one file: opened before the first of them, closed after the last. */
import { after, before } from 'node:test';
import { launchChromium } from './chromium.mjs';
import { findDemo } from './demo.mjs';

/**
 * @typedef {object} Stage
 * @property {import('playwright-core').Browser} browser
 * @property {{ url: string, close: () => void }} demo
 *
 * @param {typeof findDemo} [openDemo]
 * @returns {Stage} empty until the tests run
 */
export function openStage(openDemo = findDemo) {
  const stage = /** @type {Stage} */ ({});
  before(async () => {
    stage.demo = await openDemo();
    stage.browser = await launchChromium();
  });
  after(async () => {
    await stage.browser?.close();
    stage.demo?.close();
  });
  return stage;
}
