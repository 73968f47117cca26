/** `npm run bench:boundaries -- --held-out`: a set has no say in the weights that it is scored with. */
import { expect, test } from 'vitest';
import { chooseHeldOut, type HeldOutSet } from '../../bench/held-out.js';
import { WEIGHTS } from '../../src/analysis/weights.js';
import { relation, schemaOf, SHOP } from '../support/schema.js';

const shop = SHOP.map((line) => relation(line));
const names = shop.map(({ name }) => name);
const set = (truth: (name: string, at: number) => string): HeldOutSet => ({
  set: 'shop',
  schema: schemaOf(shop),
  truth: Object.fromEntries(names.map((name, at) => [name, truth(name, at)])),
});
const byName = set((name) => name.split('_')[0] ?? '');
const atRandom = set((_, at) => String((at * 7) % 5));
const halves = set((_, at) => (at % 2 === 0 ? 'even' : 'odd'));

const CANDIDATES = 14;

test("a set's own answer does not change its weights, and changes those of the others", () => {
  const shipped = { ...WEIGHTS };
  const [first, other] = chooseHeldOut([byName, halves], CANDIDATES);
  const [again, otherAgain] = chooseHeldOut([atRandom, halves], CANDIDATES);
  expect(again?.chosen).toEqual(first?.chosen);
  expect(otherAgain?.chosen).not.toEqual(other?.chosen);
  // The search puts the weights back that it found.
  expect({ ...WEIGHTS }).toEqual(shipped);
});
