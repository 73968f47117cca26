/** The dial between few and many services: in order for every input, also where runs through two glasses disagree. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { largeSchema } from '../../../bench/large-schema.js';
import { GRANULARITIES } from '../../../src/analysis/granularity.js';
import { analyze } from '../../../src/app/analyze.js';
import type { Analysis } from '../../../src/model/analysis.js';

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-granularity-'));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

const propose = async (script: string, granularity: number) => {
  const file = path.join(directory, 'schema.sql');
  fs.writeFileSync(file, script);
  return (await analyze({ source: { kind: 'sql', file }, granularity })).analysis;
};
const inOrder = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

// At 20 a finer glass by itself shows four services where the balanced one shows five; at 250 seven and eight.
test.each([
  [20, 30],
  [60, 90],
  [250, 500],
])('%i relations: coarse <= balanced <= fine, as alternatives and as proposals', async (relations, keys) => {
  const script = largeSchema(relations, keys);
  const proposals: Analysis[] = [];
  for (const granularity of Object.values(GRANULARITIES)) proposals.push(await propose(script, granularity));
  for (const { alternatives } of proposals) {
    const numbers = alternatives.map(({ services }) => services.length);
    expect(numbers).toEqual(inOrder(numbers));
  }
  const proposed = proposals.map(({ services }) => services.length);
  expect(proposed).toEqual(inOrder(proposed));
  expect(proposed[0]).toBeLessThan(proposed[2] as number);
  // What is shown beside a proposal is what the dial gives: the same services with the same relations, wherever it stands.
  const groups = (services: readonly { readonly relations: readonly string[] }[]) =>
    services.map((service) => [...service.relations].sort().join()).sort();
  for (const { alternatives } of proposals)
    alternatives.forEach(({ services }, at) =>
      expect(groups(services)).toEqual(groups(proposals[at]?.services ?? [])),
    );
});
