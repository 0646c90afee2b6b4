// @ts-check
/**
 * Where the demo is. A server that serves it is asked first; for one that does not (any other that speaks the
 * protocol) a front serves the built files and `dev/token`, and passes signalling on.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, request as requestHttp } from 'node:http';
import { connect } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SERVER_URL, tokenFor } from './access.mjs';

const BUILT = fileURLToPath(new URL('../../../web/demo/dist/', import.meta.url));
/** @type {Record<string, string>} */
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

/** @returns {Promise<{ url: string, close: () => void }>} `url` without a slash at the end */
export async function findDemo() {
  const answer = await fetch(`${SERVER_URL}/`, { headers: { accept: 'text/html' } });
  if (answer.headers.get('content-type')?.startsWith('text/html')) return { url: SERVER_URL, close: () => {} };
  if (!existsSync(join(BUILT, 'index.html'))) throw new Error('web/demo is not built: npm run build in web');
  return serveDemo();
}

/** @param {{ withTokens?: boolean }} [options] @returns {Promise<{ url: string, close: () => void }>} */
export async function serveDemo({ withTokens = true } = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://demo');
    if (pathname.startsWith('/rtc')) return passOn(request, response);
    if (pathname === '/dev/token') {
      if (!withTokens) return void response.writeHead(404).end();
      if (request.method !== 'POST') return void response.writeHead(204).end();
      let body = '';
      request.on('data', (part) => (body += part));
      return void request.on('end', () => void mint(body, response));
    }
    const file = join(BUILT, normalize(pathname === '/' ? '/index.html' : pathname));
    if (!file.startsWith(BUILT) || !existsSync(file) || !statSync(file).isFile()) return void response.writeHead(404).end();
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  server.on('upgrade', passOnSocket);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

/** @param {string} body @param {import('node:http').ServerResponse} response */
async function mint(body, response) {
  const { room, name, identity } = JSON.parse(body);
  const token = await tokenFor(room, identity ?? name, { name });
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ url: '', token }));
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
function passOn(request, response) {
  const onward = requestHttp(`${SERVER_URL}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.writeHead(502).end());
  request.pipe(onward);
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:stream').Duplex} socket @param {Buffer} head */
function passOnSocket(request, socket, head) {
  const { hostname, port } = new URL(SERVER_URL);
  const onward = connect(Number(port) || 80, hostname, () => {
    const headers = Array.from({ length: request.rawHeaders.length / 2 }, (_, i) => `${request.rawHeaders[2 * i]}: ${request.rawHeaders[2 * i + 1]}`);
    onward.write([`${request.method} ${request.url} HTTP/1.1`, ...headers, '', ''].join('\r\n'));
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  for (const [end, other] of /** @type {const} */ ([[onward, socket], [socket, onward]])) {
    end.on('error', () => other.destroy()).on('close', () => other.destroy());
  }
}
