import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdSet } from '../../../src/engines/mysql/mysql-id-set.js';

const ids = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 60 });
const setOf = (numbers: readonly number[]): IdSet => {
  const set = new IdSet();
  for (const number of numbers) set.add(number);
  return set;
};

test('a set knows what was put into it, in whatever order, and reads back as it was written', () => {
  fc.assert(
    fc.property(ids, (numbers) => {
      const set = setOf(numbers);
      const expected = new Set(numbers);
      for (let id = 0; id <= 62; id++) expect(set.has(id)).toBe(expected.has(id));
      expect(IdSet.parse(set.toString()).toString()).toBe(set.toString());
      expect(set.high).toBe(Math.max(0, ...numbers));
      let low = 0;
      while (expected.has(low + 1)) low++;
      expect(set.low).toBe(low);
    }),
  );
});

test('a set covers another exactly when all of it is there; ranges are put in like their numbers', () => {
  fc.assert(
    fc.property(ids, ids, fc.integer({ min: 1, max: 50 }), fc.nat(10), (a, b, first, length) => {
      const [whole, part] = [setOf(a), setOf(b)];
      expect(whole.covers(part)).toBe(b.every((id) => a.includes(id)));
      const range = Array.from({ length: length + 1 }, (_, i) => first + i);
      const ranged = whole.copy();
      ranged.add(first, first + length);
      expect(ranged.toString()).toBe(setOf([...a, ...range]).toString());
      expect(ranged.covers(whole)).toBe(true);
    }),
  );
});
