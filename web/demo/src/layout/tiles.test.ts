import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Present, fitting, sceneOf } from './tiles.ts';

const person = (identity: string, more: Partial<Present> = {}): Present => ({
  identity,
  isLocal: identity === 'me',
  isSharing: false,
  isSpeaking: false,
  lastSpokeAt: 0,
  ...more,
});
const keys = (tiles: readonly { key: string }[]) => tiles.map(({ key }) => key).join(' ');

for (const [name, members, pinned, expected, hasStage] of [
  ['alone', [person('me')], undefined, 'camera:me', false],
  ['the visitor comes last', [person('me'), person('a'), person('b')], undefined, 'camera:a camera:b camera:me', false],
  ['a screen takes the stage', [person('me'), person('a'), person('b', { isSharing: true })], undefined, 'screen:b camera:a camera:b camera:me', true],
  ['the own screen does not', [person('me', { isSharing: true }), person('a')], undefined, 'screen:me camera:a camera:me', false],
  ['a pinned tile wins', [person('me'), person('a'), person('b', { isSharing: true })], 'camera:a', 'camera:a screen:b camera:b camera:me', true],
  ['a pin on someone who left is void', [person('me'), person('a')], 'camera:gone', 'camera:a camera:me', false],
] as const) {
  test(name, () => {
    const scene = sceneOf(members, pinned);
    assert.equal(keys(scene.tiles), expected);
    assert.equal(scene.hasStage, hasStage);
  });
}

test('in a crowd those who spoke last stay, in their old order', () => {
  const members = [person('me'), person('a', { lastSpokeAt: 1 }), person('b'), person('c', { isSpeaking: true }), person('d', { lastSpokeAt: 5 })];
  assert.equal(keys(fitting(sceneOf(members, undefined), 3)), 'camera:c camera:d camera:me');
  assert.equal(keys(fitting(sceneOf(members, 'camera:b'), 2)), 'camera:b camera:me');
  assert.equal(keys(fitting(sceneOf(members, undefined), 9)), 'camera:a camera:b camera:c camera:d camera:me');
});
