import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identityFor } from './seat.ts';

for (const [name, shape] of [
  ['Ada Lovelace', /^ada-lovelace-[0-9a-z]{6}$/],
  ['  --  ', /^[0-9a-z]{6}$/],
  ['李雷', /^李雷-[0-9a-z]{6}$/],
  ['x'.repeat(300), /^x{32}-[0-9a-z]{6}$/],
] as const) {
  test(`identity for "${name.slice(0, 20)}"`, () => assert.match(identityFor(name), shape));
}

test('two people of one name are two identities', () => assert.notEqual(identityFor('Ada'), identityFor('Ada')));
