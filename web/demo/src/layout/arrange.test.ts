import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Arrangement, type Box, type Rect, grid, stage } from './arrange.ts';

const DESKTOP: Box = { width: 1280, height: 640 };
const PHONE: Box = { width: 374, height: 600 };
const GAP = 12;

function rowsOf({ rects }: Arrangement): number[] {
  const rows = new Map<number, number>();
  for (const rect of rects) rows.set(rect.y, (rows.get(rect.y) ?? 0) + 1);
  return [...rows.values()];
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width - 0.01 && b.x < a.x + a.width - 0.01 && a.y < b.y + b.height - 0.01 && b.y < a.y + a.height - 0.01;
}

for (const [name, box, count, rows] of [
  ['desktop', DESKTOP, 1, [1]],
  ['desktop', DESKTOP, 2, [2]],
  ['desktop', DESKTOP, 3, [2, 1]],
  ['desktop', DESKTOP, 4, [2, 2]],
  ['desktop', DESKTOP, 5, [3, 2]],
  ['desktop', DESKTOP, 9, [3, 3, 3]],
  ['phone', PHONE, 1, [1]],
  ['phone', PHONE, 2, [1, 1]],
  ['phone', PHONE, 3, [1, 1, 1]],
  ['phone', PHONE, 4, [2, 2]],
  ['phone', PHONE, 6, [2, 2, 2]],
] as const) {
  test(`grid of ${count} on a ${name}`, () => assert.deepEqual(rowsOf(grid(count, box, GAP)), rows));
}

for (const arrange of [grid, stage]) {
  for (const box of [DESKTOP, PHONE, { width: 200, height: 200 }, { width: 1, height: 1 }]) {
    for (let count = 0; count <= 60; count += 1) {
      const { rects, hidden } = arrange(count, box, GAP);
      const where = `${arrange.name} of ${count} in ${box.width}x${box.height}`;
      assert.equal(rects.length + hidden, count, where);
      if (box.width < 200) continue;
      for (const [index, rect] of rects.entries()) {
        assert.ok(rect.width > 0 && rect.height > 0, where);
        assert.ok(rect.x > -0.01 && rect.y > -0.01, where);
        assert.ok(rect.x + rect.width < box.width + 0.01 && rect.y + rect.height < box.height + 0.01, where);
        assert.ok(!rects.slice(index + 1).some((other) => overlap(rect, other)), where);
      }
    }
  }
}

test('the stage is the first and by far the largest tile', () => {
  for (const box of [DESKTOP, PHONE]) {
    const [main, ...strip] = stage(5, box, GAP).rects;
    assert.ok(main && strip.every((rect) => rect.width * rect.height * 4 < main.width * main.height));
  }
});
