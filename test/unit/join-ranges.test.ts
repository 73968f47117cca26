import { expect, test } from 'vitest';
import type { Chunk } from '../../src/engines/engine.js';
import { joinRanges } from '../../src/verification/compare-relation.js';

const range = (from: string | null, to: string | null, estimatedRows = 100): Chunk => ({
  relation: 'public.orders',
  index: 0,
  from: from === null ? null : [from, 'x'],
  to: to === null ? null : [to, 'x'],
  estimatedRows,
});
const bounds = (ranges: readonly Chunk[], most: number) =>
  joinRanges(ranges, most).map(({ whole, parts }) => [
    whole.from?.[0] ?? null,
    whole.to?.[0] ?? null,
    whole.estimatedRows,
    parts.length,
  ]);

test('ranges end to end are hashed together up to so many rows, and every one is kept', () => {
  const all = [range(null, 'b'), range('b', 'c'), range('c', 'd'), range('d', null)];
  expect(bounds(all, 250)).toEqual([
    [null, 'c', 200, 2],
    ['c', null, 200, 2],
  ]);
  expect(bounds(all, 1_000)).toEqual([[null, null, 400, 4]]);
  expect(bounds(all, 1)).toHaveLength(4);
  expect(joinRanges(all, 1_000).flatMap(({ parts }) => parts)).toEqual(all);
  expect(bounds([], 1)).toEqual([]);
});

test('a range that was left out is no part of a run', () => {
  expect(bounds([range(null, 'b'), range('c', 'd'), range('d', 'e')], 1_000)).toEqual([
    [null, 'b', 100, 1],
    ['c', 'e', 200, 2],
  ]);
});
