// @ts-check
/** Runs `tutti load` against the server under test and reads its figures and the server's. */
import { spawn } from 'node:child_process';
import { SERVER_URL } from '../harness/access.mjs';

/** The load generator is in the server's binary. */
export const TUTTI_BIN = process.env.TUTTI_BIN;

/**
 * What `tutti load` prints as its last line; see docs/load.md.
 *
 * @typedef {{
 *   clients: number, joined: number, failed: number, without_first_frame: number, join_ms_max: number,
 *   packets: number, lost: number, recovered: number, unknown: number, refused: number, frames: number,
 *   seconds: number, delay_ms_p99: number, flood_packets: number, failures: Record<string, number>,
 * }} Figures
 *
 * @param {string[]} args
 * @returns {Promise<{ figures: Figures, code: number | null, text: string }>}
 */
export async function load(...args) {
  const url = SERVER_URL.replace(/^http/, 'ws');
  const child = spawn(/** @type {string} */ (TUTTI_BIN), ['load', '--dev', '--url', url, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => (text += piece));
  const code = await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return { figures: JSON.parse(last), code, text };
}

/**
 * Sums of the server's metrics over their labels, by name.
 *
 * @returns {Promise<(name: string) => number>}
 */
export async function metrics() {
  const text = await (await fetch(`${SERVER_URL}/metrics`)).text();
  return (name) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
