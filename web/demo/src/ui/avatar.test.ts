import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hueOf, initials } from './avatar.tsx';

for (const [name, expected] of [
  ['Ada Lovelace', 'AL'],
  ['ada', 'A'],
  ['  Ludwig van Beethoven ', 'LB'],
  ['李雷', '李雷'],
  ['欧阳娜娜', '娜娜'],
  ['🎻 Clara', '🎻C'],
  ['', ''],
] as const) {
  test(`initials of "${name}"`, () => assert.equal(initials(name), expected));
}

test('the hue is stable', () => assert.equal(hueOf('ada-1'), hueOf('ada-1')));
