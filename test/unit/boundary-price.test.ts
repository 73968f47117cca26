import { expect, test } from 'vitest';
import { priceBoundaries } from '../../src/model/boundary-price.js';

const reference = (child: string, parent: string, cost: number) => ({
  child,
  parent,
  cost,
  childColumns: ['x'],
  parentColumns: ['id'],
  origin: 'declared' as const,
  weight: 1,
  reasons: [],
  replacement: '',
  copyColumns: [],
});

test('a reference costs when its ends are apart, an object once for each service beyond the first', () => {
  const analysis = {
    references: [reference('a', 'b', 2), reference('b', 'c', 3)],
    objects: [{ kind: 'view' as const, subject: 'v', relations: ['a', 'b', 'c'], cost: 5, replacement: '' }],
  };
  const together = new Map([
    ['a', 's'],
    ['b', 's'],
    ['c', 's'],
  ]);
  const apart = new Map([
    ['a', 's'],
    ['b', 't'],
    ['c', 'u'],
  ]);
  expect(priceBoundaries(analysis, together)).toEqual({ price: 0, crossings: 0 });
  expect(priceBoundaries(analysis, apart)).toEqual({ price: 2 + 3 + 10, crossings: 3 });
  // Relations without a service stand alone, each for itself.
  expect(priceBoundaries(analysis, new Map([['a', 's']]))).toEqual({ price: 15, crossings: 3 });
});
