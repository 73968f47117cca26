import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { diffPlans, loadPlan, writePlan } from '../../src/app/plan.js';
import type { DatabaseSchema } from '../../src/model/database-schema.js';
import { makePlan } from '../../src/planning/make-plan.js';

const EMPTY: DatabaseSchema = {
  engine: 'postgres',
  product: 'PostgreSQL 17.0',
  version: 170000,
  database: 'shop',
  origin: 'live',
  schemas: [],
  relations: [],
  types: [],
  sequences: [],
  routines: [],
  extensions: [],
  unsupported: [],
};
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-plan-file-'));
const file = path.join(directory, 'dbps', 'plan.json');
const plan = makePlan(
  EMPTY,
  {
    defaultSchema: 'public',
    exclude: [],
    services: [{ name: 'orders', relations: [], targetEngine: 'postgres', targetSchema: null }],
    shared: [],
    references: [],
  },
  '2026-01-01T00:00:00Z',
);
afterAll(() => fs.rmSync(directory, { recursive: true }));

test('a plan is read back as it was written', async () => {
  await writePlan(file, plan);
  expect(await loadPlan(file)).toEqual(plan);
  expect(diffPlans(plan, await loadPlan(file)).differences).toEqual([]);
  expect(fs.readdirSync(path.dirname(file))).toEqual(['plan.json']);
});

test.each([
  ['is missing', null],
  ['is no JSON', '{'],
  ['is another file', '{"version": 1}'],
  ['was edited', JSON.stringify({ ...plan, services: [] })],
])('a plan that %s is refused', async (_, text) => {
  fs.rmSync(file, { force: true });
  if (text !== null) fs.writeFileSync(file, text);
  await expect(loadPlan(file)).rejects.toMatchObject({ code: 'DBPS_E108', hint: 'dbps plan' });
});
