// @ts-check
/** Starts the server under test as a child process on free ports, and ends it by its pid. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.mjs';

const READY_MS = 20_000;
const STOP_MS = 8_000;
const UDP_PORTS = 8; // one per shard; more than any test machine has cores to spare

/**
 * @typedef {object} Server
 * @property {string} url `http://address:port`
 * @property {number} pid
 * @property {() => string} log what it has written so far
 * @property {() => Promise<void>} stop
 *
 * @param {string} bin path of the server binary
 * @param {{ bind?: string, nodeIp?: string }} [where] addresses to listen on and to tell clients
 * @returns {Promise<Server>}
 */
export async function startServer(bin, { bind = '127.0.0.1', nodeIp } = {}) {
  const [port, tcpPort] = [await freeTcpPort(bind), await freeTcpPort(bind)];
  const udpPort = await freeUdpPorts(bind);
  const args = ['serve', '--dev', '--bind', bind, '--port', port, '--tcp-port', tcpPort, '--udp-port-base', udpPort].map(String);
  if (!bind.startsWith('127.')) args.push('--dev-open');
  if (nodeIp) args.push('--node-ip', nodeIp);

  const folder = mkdtempSync(join(tmpdir(), 'tutti-e2e-'));
  const logFile = join(folder, 'server.log');
  const output = openSync(logFile, 'w');
  const child = spawn(bin, args, { cwd: folder, stdio: ['ignore', output, output], env: process.env });
  closeSync(output);
  /** @type {string | undefined} */
  let ended;
  const exit = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve((ended = `exit ${code ?? signal}`)));
    child.once('error', (error) => resolve((ended = error.message)));
  });
  const log = () => readFileSync(logFile, 'utf8');
  const url = `http://${bind}:${port}`;
  try {
    await until(`${bin} answers at ${url}/healthz`, async () => ended ?? (await fetch(`${url}/healthz`)).status < 500, READY_MS);
    if (ended) throw new Error(`${bin} ended at once: ${ended}`);
  } catch (error) {
    child.kill('SIGKILL');
    process.stderr.write(log());
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }

  const stop = async () => {
    if (!ended) {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exit;
      clearTimeout(late);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, pid: /** @type {number} */ (child.pid), log, stop };
}

/** @param {string} host */
function freeTcpPort(host) {
  return new Promise((/** @type {(port: number) => void} */ resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, host, () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}

/** First of a run of free UDP ports. @param {string} host */
async function freeUdpPorts(host) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = 20_000 + Math.floor(Math.random() * 1_500) * UDP_PORTS;
    const free = await Promise.all(Array.from({ length: UDP_PORTS }, (_, offset) => isUdpPortFree(host, base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no run of free UDP ports');
}

/** @param {string} host @param {number} port */
function isUdpPortFree(host, port) {
  return new Promise((/** @type {(free: boolean) => void} */ resolve) => {
    const probe = createSocket('udp4').once('error', () => resolve(false));
    probe.bind(port, host, () => probe.close(() => resolve(true)));
  });
}
