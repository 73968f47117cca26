import { expect, test } from 'vitest';
import type { Alternative } from '../../src/model/analysis.js';
import { sameProposals } from '../../src/report/alternatives.js';

const alternative = (name: Alternative['name'], groups: string): Alternative => ({
  name,
  services: groups.split(' ').map((relations, at) => ({ name: `s${at}`, relations: relations.split('') })),
  crossingReferences: 0,
  crossingJoins: 0,
  crossingTransactions: 0,
  price: 0,
});
const told = (coarse: string, balanced: string, fine: string) =>
  sameProposals([
    alternative('coarse', coarse),
    alternative('balanced', balanced),
    alternative('fine', fine),
  ]);

test('settings of the dial that come to the same services are named', () => {
  expect(told('ab cd', 'cd ba', 'dc ab')).toBe(
    'coarse, balanced and fine come to the same services: the evidence holds nothing coarser and nothing finer.',
  );
  expect(told('abcd', 'ab cd', 'cd ab')).toMatch(/^balanced and fine .* nothing finer\.$/);
  expect(told('ab cd', 'ab cd', 'a b cd')).toMatch(/^coarse and balanced .* nothing coarser\.$/);
});

test('figures that are equal by chance do not make proposals the same', () => {
  expect(told('ab cd', 'ac bd', 'ad bc')).toBeUndefined();
});
