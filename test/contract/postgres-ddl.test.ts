import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresControl } from '../../src/engines/postgres/postgres-control.js';
import { type createSchema, postgresDdl } from '../../src/engines/postgres/postgres-ddl.js';
import { PostgresDdlRunner } from '../../src/engines/postgres/postgres-ddl-runner.js';
import type { Stage } from '../../src/engines/engine.js';
import { compareSchemas } from '../../src/model/schema-comparison.js';
import { planFor, readTestSchema } from '../support/plan.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const NASTY = fs.readFileSync(path.resolve(import.meta.dirname, '../fixtures/nasty-shapes.sql'), 'utf8');
const STAGES: readonly Stage[] = ['base', 'key', 'index', 'constraint', 'open', 'validate'];

/** As a runner would: stage by stage, each group a transaction, with an epoch. */
async function build(
  database: TestDatabase,
  statements: ReturnType<typeof createSchema>,
  times = 1,
): Promise<void> {
  const pool = await SessionPool.open(database.target, { applicationName: 'dbps test' });
  const owner = { service: 'all', epoch: 0 };
  const control = new PostgresControl(pool);
  await control.install('all');
  const runner = new PostgresDdlRunner(pool);
  for (let i = 0; i < times; i++)
    for (const stage of STAGES)
      await runner.run(
        statements.filter((statement) => statement.stage === stage),
        owner,
      );
  await control.remove(owner);
  await pool.close();
}

test('every nasty shape, made again stage by stage on another server, is the same shape', async () => {
  const source = await createTestDatabase('legacy', NASTY);
  const target = await createTestDatabase('service');
  const { service } = (await planFor(source, { services: { all: '*' } })).service('all');
  const statements = postgresDdl.createService(service);
  // Twice: a run that was cut off is run again.
  await build(target, statements, 2);
  const made = await readTestSchema(target);
  expect(compareSchemas(service.schema, made)).toEqual([]);
  // One service owns everything here, so the plan has left nothing out.
  expect(compareSchemas(await readTestSchema(source), made)).toEqual([]);
  await source.drop();
  await target.drop();
});

test('every statement can be taken back: undone in reverse order, nothing is left', async () => {
  const source = await createTestDatabase('legacy', NASTY);
  const target = await createTestDatabase('service');
  const { service } = (await planFor(source, { services: { all: '*' } })).service('all');
  const statements = postgresDdl.createService(service);
  await build(target, statements);
  const pool = await SessionPool.open(target.target, { applicationName: 'dbps test' });
  const control = new PostgresControl(pool);
  await control.install('all');
  // Twice: what is not there is passed over.
  for (let i = 0; i < 2; i++)
    await new PostgresDdlRunner(pool).undo(statements, { service: 'all', epoch: 0 });
  await control.remove({ service: 'all', epoch: 0 });
  await pool.close();
  const left = await readTestSchema(target);
  expect([left.relations, left.types, left.routines, left.sequences, left.extensions]).toEqual([
    [],
    [],
    [],
    [],
    [],
  ]);
  expect(left.schemas).toEqual(['public']);
  await source.drop();
  await target.drop();
});

test('a schema that is renamed on the target is renamed in everything that names it', async () => {
  const source = await createTestDatabase('legacy', NASTY);
  const target = await createTestDatabase('service');
  const { service, maps } = (await planFor(source, { services: { all: '*' }, targetSchema: 'Shop' })).service(
    'all',
  );
  await build(target, postgresDdl.createService(service));
  const made = await readTestSchema(target);
  expect(compareSchemas(service.schema, made)).toEqual([]);
  // Extensions keep their place: their members are named in too many ways to follow.
  const left = JSON.stringify(service.schema.relations).match(/\bpublic\.\w+/g) ?? [];
  expect(left.filter((name) => name !== 'public.citext')).toEqual([]);
  expect(maps.find((map) => map.source === 'public.node')?.target).toBe('Shop.node');
  await source.drop();
  await target.drop();
});

test('a statement that needs what no plan carries over says where that is listed', async () => {
  const target = await createTestDatabase('service');
  const pool = await SessionPool.open(target.target, { applicationName: 'dbps test' });
  const control = new PostgresControl(pool);
  const owner = { service: 'orders', epoch: 1 };
  await control.install('orders');
  await control.raiseEpoch(owner);
  const sql = 'CREATE TABLE public.t (name text COLLATE public.german)';
  await expect(
    new PostgresDdlRunner(pool).run([{ sql, purpose: 'table t', undo: null, group: 'g' }], owner),
  ).rejects.toMatchObject({
    code: 'DBPS_E414',
    message: expect.stringMatching(/^table t: .*public\.german/) as string,
    hint: expect.stringContaining('BND406') as string,
  });
  await control.remove(owner);
  await pool.close();
  await target.drop();
});

test('H7: a statement of an owner that was replaced changes nothing', async () => {
  const target = await createTestDatabase('service');
  const pool = await SessionPool.open(target.target, { applicationName: 'dbps test' });
  const control = new PostgresControl(pool);
  await control.install('orders');
  await control.raiseEpoch({ service: 'orders', epoch: 2 });
  const late = new PostgresDdlRunner(pool).run(
    [{ sql: 'CREATE TABLE public.late (id int)', purpose: 'late', undo: null, group: 'g' }],
    { service: 'orders', epoch: 1 },
  );
  await expect(late).rejects.toMatchObject({ code: 'DBPS_E301' });
  await control.remove({ service: 'orders', epoch: 2 });
  expect((await readTestSchema(target)).relations).toEqual([]);
  await pool.close();
  await target.drop();
});
