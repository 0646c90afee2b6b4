import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roomOfToken, socketAddress } from './access.ts';

for (const [page, socket] of [
  ['http://127.0.0.1:7880/?room=a', 'ws://127.0.0.1:7880'],
  ['https://example.org/', 'wss://example.org'],
  ['https://example.org/calls/index.html', 'wss://example.org/calls'],
] as const) {
  test(`socket of ${page}`, () => assert.equal(socketAddress(new URL(page)).replace(/\?.*$/, ''), socket));
}

const payload = (claims: unknown) => Buffer.from(JSON.stringify(claims)).toString('base64url');

for (const [token, room] of [
  [`h.${payload({ video: { room: 'choir' } })}.s`, 'choir'],
  [`h.${payload({ video: { room: '合唱' } })}.s\n`, '合唱'],
  [`h.${payload({ video: {} })}.s`, undefined],
  ['', undefined],
  ['not a token', undefined],
  ['a.%%%.c', undefined],
] as const) {
  test(`room of token ${token.slice(0, 12)}`, () => assert.equal(roomOfToken(token), room));
}
