import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, readPageRequest } from './page.ts';

const DEFAULTS = { room: '', singlePeerConnection: true, codec: 'vp8', token: '' };

for (const [address, expected] of [
  ['', DEFAULTS],
  ['?room=choir', { ...DEFAULTS, room: 'choir' }],
  ['?room=%20%E5%90%88%E5%94%B1%20', { ...DEFAULTS, room: '合唱' }],
  ['?single=0', { ...DEFAULTS, singlePeerConnection: false }],
  ['?single=1', DEFAULTS],
  ['?codec=VP9', { ...DEFAULTS, codec: 'vp9' }],
  ['?codec=mpeg2', DEFAULTS],
  ['?room=choir#token=a.b-c_d.e', { ...DEFAULTS, room: 'choir', token: 'a.b-c_d.e' }],
  ['#elsewhere', DEFAULTS],
] as const) {
  test(`address ${address || '(bare)'}`, () => {
    const { search, hash } = new URL(address, 'http://localhost/');
    assert.deepEqual(readPageRequest(search, hash), expected);
  });
}

test('the invitation keeps the mode and drops the fragment', () => {
  assert.equal(
    addressOf('a b', 'http://localhost:7880/tutti/?single=0&room=old#x'),
    'http://localhost:7880/tutti/?single=0&room=a+b',
  );
});
