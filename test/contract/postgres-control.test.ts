import { afterAll, beforeAll, expect, test } from 'vitest';
import { lockEpoch, openSession, SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresControl } from '../../src/engines/postgres/postgres-control.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let database: TestDatabase;
let pool: SessionPool;

beforeAll(async () => {
  database = await createTestDatabase('service');
  pool = await SessionPool.open(database.target, { applicationName: 'dbps test' });
  const control = new PostgresControl(pool);
  await control.install('orders');
  await control.raiseEpoch({ service: 'orders', epoch: 1 });
});
afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

test('H7: a former owner who is frozen in a transaction does not keep a take-over waiting for ever', async () => {
  const frozen = await openSession(database.target, { applicationName: 'dbps orders apply' });
  await frozen.query('BEGIN');
  await lockEpoch(frozen, { service: 'orders', epoch: 1 });
  await frozen.query('CREATE TABLE public.half_done (id int)');

  await new PostgresControl(pool, 200).raiseEpoch({ service: 'orders', epoch: 2 });

  expect(await new PostgresControl(pool).readEpoch('orders')).toBe(2);
  // His transaction is rolled back, and he finds his session gone.
  await expect(frozen.query('COMMIT')).rejects.toThrow();
  expect(await database.query("SELECT FROM pg_class WHERE relname = 'half_done'")).toEqual([]);
  await frozen.end().catch(() => undefined);
});

test('a session that is not dbps’s own is never ended', async () => {
  const stranger = await database.connect();
  await stranger.query('BEGIN');
  await stranger.query("SELECT FROM dbps.epoch WHERE service = 'orders' FOR SHARE");
  let isTaken = false;
  const taking = new PostgresControl(pool, 100)
    .raiseEpoch({ service: 'orders', epoch: 3 })
    .then(() => (isTaken = true));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(isTaken).toBe(false);
  await stranger.query('COMMIT');
  await taking;
});
