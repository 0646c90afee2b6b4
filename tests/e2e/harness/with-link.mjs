// @ts-check
/**
 * Runs a command beside a network of its own: `node with-link.mjs -- COMMAND ARGS…`
 *
 * Makes a network namespace joined to this one by a virtual cable, starts the server (`TUTTI_BIN`) on this end of
 * it and runs the command with
 *
 * - `TUTTI_URL`             the server's address on the cable
 * - `TUTTI_E2E_NAMESPACE`   name of the namespace, for `ip netns exec`
 * - `TUTTI_E2E_LINK`        the far end of the cable, inside the namespace, to be taken down and up
 *
 * Without root, `ip` or `TUTTI_BIN` it says so and succeeds, as nothing was tested.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const id = process.pid.toString(36);
const NAMESPACE = `tutti-${id}`;
const NEAR = `tt${id}a`;
const FAR = `tt${id}b`;
const SUBNET = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 250}`;

const reason = obstacle();
if (reason) {
  console.log(`skipped: taking a client's network away needs ${reason}`);
  process.exit(0);
}

let code = 1;
try {
  ip('netns', 'add', NAMESPACE);
  ip('link', 'add', NEAR, 'type', 'veth', 'peer', 'name', FAR, 'netns', NAMESPACE);
  ip('addr', 'add', `${SUBNET}.1/24`, 'dev', NEAR);
  ip('link', 'set', NEAR, 'up');
  ip('-n', NAMESPACE, 'link', 'set', 'lo', 'up');
  ip('-n', NAMESPACE, 'addr', 'add', `${SUBNET}.2/24`, 'dev', FAR);
  ip('-n', NAMESPACE, 'link', 'set', FAR, 'up');
  const withServer = fileURLToPath(new URL('./with-server.mjs', import.meta.url));
  const command = process.argv.slice(process.argv.indexOf('--') + 1);
  const run = spawnSync(process.execPath, [withServer, '--bind', `${SUBNET}.1`, '--node-ip', `${SUBNET}.1`, '--', ...command], {
    stdio: 'inherit',
    env: { ...process.env, TUTTI_E2E_NAMESPACE: NAMESPACE, TUTTI_E2E_LINK: FAR },
  });
  code = run.status ?? 1;
} finally {
  ip('netns', 'del', NAMESPACE); // Takes both ends of the cable along.
}
process.exit(code);

/** @param {...string} args */
function ip(...args) {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** What is missing, in words. @returns {string | undefined} */
function obstacle() {
  if (process.getuid?.() !== 0) return 'root';
  if (!process.env.TUTTI_BIN) return 'TUTTI_BIN, to start a server on the test network';
  const probe = spawnSync('ip', ['netns', 'add', NAMESPACE], { encoding: 'utf8' });
  if (probe.error) return 'ip (iproute2)';
  if (probe.status !== 0) return `network namespaces (${probe.stderr.trim()})`;
  ip('netns', 'del', NAMESPACE);
  return undefined;
}
