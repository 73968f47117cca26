import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import knex from 'knex';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkGenerated, writeGenerated } from '../../src/app/generate.js';
import { postgresDdl } from '../../src/engines/postgres/postgres-ddl.js';
import { generateFiles } from '../../src/generation/generate-files.js';
import { SHOP_SCHEMA, SHOP_SERVICES } from '../../src/demo/shop-schema.js';
import type { Plan, ServicePlan } from '../../src/model/plan.js';
import { compareSchemas } from '../../src/model/schema-comparison.js';
import { planFor, readTestSchema } from '../support/plan.js';
import { createTestDatabase } from '../support/postgres.js';

const NASTY = fs.readFileSync(path.resolve(import.meta.dirname, '../fixtures/nasty-shapes.sql'), 'utf8');
const EXAMPLES = path.resolve(import.meta.dirname, '../../migrations-examples/shop');

let shop: Plan;
let nasty: ServicePlan;
let nastyPlan: Plan;
let directory: string;

beforeAll(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-generate-'));
  const shopDatabase = await createTestDatabase('legacy', SHOP_SCHEMA);
  shop = (await planFor(shopDatabase, { services: SHOP_SERVICES })).plan;
  await shopDatabase.drop();
  const nastyDatabase = await createTestDatabase('legacy', NASTY);
  const planned = await planFor(nastyDatabase, { services: { all: '*' } });
  nastyPlan = planned.plan;
  nasty = planned.service('all').service;
  await nastyDatabase.drop();
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

const filesOf = (plan: Plan) => generateFiles(plan, { ddl: () => postgresDdl });

test('migrations-examples/shop is what the shop generates (vitest -u writes it again)', async () => {
  const files = filesOf(shop);
  for (const file of files) await expect(file.contents).toMatchFileSnapshot(path.join(EXAMPLES, file.path));
  const found = fs
    .readdirSync(EXAMPLES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(EXAMPLES, path.join(entry.parentPath, entry.name)));
  expect(found.sort()).toEqual(files.map((file) => file.path).sort());
});

test('schema.sql loads into an empty database and gives the planned schema', async () => {
  const files = filesOf(nastyPlan);
  const database = await createTestDatabase('service');
  await database.query(files.find((file) => file.path === 'all/schema.sql')?.contents ?? '');
  expect(compareSchemas(nasty.schema, await readTestSchema(database))).toEqual([]);
  await database.drop();
});

test('the knex migrations give the planned schema, and take it away again', async () => {
  await writeGenerated({ plan: nastyPlan, directory });
  const database = await createTestDatabase('service');
  const client = knex({ client: 'pg', connection: database.url, pool: { min: 0, max: 1 } });
  const migrations = {
    directory: path.join(directory, 'all/migrations'),
    loadExtensions: ['.mjs'],
    schemaName: 'public',
  };
  await client.migrate.latest(migrations);
  const made = await readTestSchema(database);
  const knexTables = /knex_migrations/;
  expect(
    compareSchemas(nasty.schema, made).filter((difference) => !knexTables.test(difference.object)),
  ).toEqual([]);
  await client.migrate.rollback(migrations, true);
  const left = await readTestSchema(database);
  expect(left.relations.map((relation) => relation.id).filter((id) => !knexTables.test(id))).toEqual([]);
  expect([left.types, left.routines]).toEqual([[], []]);
  await client.destroy();
  await database.drop();
});

test('every service of the shop loads by itself', async () => {
  const files = filesOf(shop);
  for (const service of shop.services) {
    const database = await createTestDatabase('service');
    await database.query(files.find((file) => file.path === `${service.name}/schema.sql`)?.contents ?? '');
    expect(compareSchemas(service.schema, await readTestSchema(database))).toEqual([]);
    await database.drop();
  }
});

test('--check tells what is missing, stale or edited; an edited file is replaced by force alone', async () => {
  const out = path.join(directory, 'check');
  const request = { plan: shop, directory: out };
  const state = async (file: string) =>
    (await checkGenerated(request)).files.find((found) => found.path === file)?.state;
  expect((await checkGenerated(request)).isCurrent).toBe(false);
  await writeGenerated(request);
  expect((await checkGenerated(request)).isCurrent).toBe(true);
  const runbook = path.join(out, 'RUNBOOK.md');
  fs.appendFileSync(runbook, 'by hand\n');
  expect(await state('RUNBOOK.md')).toBe('edited');
  await expect(writeGenerated(request)).rejects.toMatchObject({ code: 'DBPS_E111' });
  expect(fs.readFileSync(runbook, 'utf8')).toContain('by hand');
  await writeGenerated({ ...request, force: true });
  expect(await state('RUNBOOK.md')).toBe('unchanged');
  // Written by another plan: stale, and replaced without a word.
  await writeGenerated({ ...request, plan: { ...shop, hash: '00000000' } });
  expect(await state('RUNBOOK.md')).toBe('stale');
  expect((await writeGenerated(request)).files.every((file) => file.state === 'written')).toBe(true);
});
