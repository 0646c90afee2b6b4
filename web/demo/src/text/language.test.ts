import assert from 'node:assert/strict';
import { test } from 'node:test';
import { en } from './en.ts';
import { preferredLanguage } from './language.ts';
import { zh } from './zh.ts';

for (const [offered, expected] of [
  [['en-GB', 'zh-CN'], 'en'],
  [['zh-CN', 'en'], 'zh'],
  [['zh-Hant-TW'], 'zh'],
  [['fr-FR', 'zh'], 'zh'],
  [['fr-FR'], 'en'],
  [[], 'en'],
] as const) {
  test(`language for [${offered.join(' ')}]`, () => assert.equal(preferredLanguage(offered), expected));
}

test('no sentence is empty in either language', () => {
  const empty = (wording: object): string[] =>
    Object.entries(wording).flatMap(([key, value]) =>
      typeof value === 'string' ? (value.trim() ? [] : [key]) : typeof value === 'object' ? empty(value) : [],
    );
  assert.deepEqual(empty(en), []);
  assert.deepEqual(empty(zh), []);
});
