// @ts-check
/**
 * Runs a command against a server: `node with-server.mjs [--bind IP] [--node-ip IP] -- COMMAND ARGS…`
 *
 * `--bind own` is the first address of this machine beyond loopback, or loopback if there is none.
 * With `TUTTI_BIN` it starts that binary on free ports, sets `TUTTI_URL` for the command, ends it afterwards and
 * prints its log if the command failed. Without, the command finds the server at `TUTTI_URL` (default
 * `http://127.0.0.1:7880`). Exits with the code of the command; if it failed, its last lines come once more after the log.
 */
import { spawn } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { SERVER_URL } from './access.mjs';
import { startServer } from './server.mjs';

const LOG_LINES_SHOWN = 200;
const OUTPUT_LINES_REPEATED = 60;

const split = process.argv.indexOf('--');
const command = process.argv.slice(split + 1);
const options = process.argv.slice(2, split);
if (split < 0 || !command[0]) {
  console.error('usage: with-server.mjs [--bind IP] [--node-ip IP] -- COMMAND ARGS…');
  process.exit(2);
}

const bin = process.env.TUTTI_BIN;
const bind = option('--bind') === 'own' ? ownAddress() : option('--bind');
const server = bin ? await startServer(bin, { bind, nodeIp: option('--node-ip') }) : undefined;
const url = server?.url ?? SERVER_URL;
if (!server) await fetch(url).catch(() => fail(`no server answers at ${url}; set TUTTI_BIN to start one`));

const { code, output } = await run(command, { ...process.env, TUTTI_URL: url });
if (server && code !== 0) {
  showTail("the server's log", server.log(), LOG_LINES_SHOWN);
  showTail('the command', output, OUTPUT_LINES_REPEATED);
}
await server?.stop();
process.exit(code);

/** @param {string} name */
function option(name) {
  const at = options.indexOf(name);
  return at < 0 ? undefined : options[at + 1];
}

function ownAddress() {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

/** @param {string} whose @param {string} text @param {number} count */
function showTail(whose, text, count) {
  const lines = text.trimEnd().split('\n');
  console.error(`--- last lines of ${whose} (${Math.min(lines.length, count)} of ${lines.length}) ---`);
  console.error(lines.slice(-count).join('\n'));
}

/** Passes the command's output on and keeps it. @param {string[]} argv @param {NodeJS.ProcessEnv} env @returns {Promise<{ code: number, output: string }>} */
function run([program, ...args], env) {
  const child = spawn(/** @type {string} */ (program), args, { stdio: ['inherit', 'pipe', 'pipe'], env });
  let output = '';
  for (const [from, to] of /** @type {const} */ ([[child.stdout, process.stdout], [child.stderr, process.stderr]])) {
    from.setEncoding('utf8').on('data', (text) => {
      output += text;
      to.write(text);
    });
  }
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code: code ?? (signal ? 130 : 1), output }));
    child.once('error', (error) => {
      console.error(error.message);
      resolve({ code: 127, output });
    });
  });
}

/** @param {string} why @returns {never} */
function fail(why) {
  console.error(why);
  process.exit(1);
}
