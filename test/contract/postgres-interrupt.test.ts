/** Called off: whoever reads is let go at once, and so is the server, also where it waits for a lock and where the session was just being opened. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  interruptSessions,
  openSession,
  SessionPool,
} from '../../src/engines/postgres/postgres-connection.js';
import { CopySessions } from '../../src/engines/postgres/postgres-copy-sessions.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const NAME = 'dbps-interrupt';

let database: TestDatabase;
let holder: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase('legacy', 'CREATE TABLE held (id int PRIMARY KEY)');
  holder = await database.connect();
  await holder.query('BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE');
});
afterAll(async () => {
  await holder.query('ROLLBACK');
  await database.drop();
});

const sessions = async (more = '') =>
  (await database.query(`SELECT pid FROM pg_stat_activity WHERE application_name = '${NAME}' ${more}`))
    .length;
const waits = () =>
  expect
    .poll(() => sessions("AND wait_event_type = 'Lock'"), { timeout: 30_000, interval: 20 })
    .toBeGreaterThan(0);
const noneLeft = () => expect.poll(() => sessions(), { timeout: 30_000, interval: 50 }).toBe(0);

const read = (client: Pick<pg.ClientBase, 'query'>) => client.query('SELECT count(*) FROM public.held');

test('a bulk session, while it waits for a lock', async () => {
  const bulk = new CopySessions(database.target, { applicationName: NAME });
  const called = new AbortController();
  const work = bulk.use(read, called.signal);
  const ended = expect(work).rejects.toThrow('off');
  await waits();
  called.abort(new Error('called off'));
  await ended;
  await noneLeft();
  await bulk.close();
});

test('a bulk session, while it is opened', async () => {
  const bulk = new CopySessions(database.target, { applicationName: NAME });
  const called = new AbortController();
  const work = bulk.use(read, called.signal);
  called.abort(new Error('called off'));
  await expect(work).rejects.toThrow('off');
  await bulk.close();
  await noneLeft();
});

test('closing waits until the server has been told', async () => {
  const bulk = new CopySessions(database.target, { applicationName: NAME });
  const ended = expect(bulk.use(read)).rejects.toThrow();
  await waits();
  await bulk.close();
  await ended;
  await noneLeft();
});

test('sessions of a pool that reads: at work, and only just taken', async () => {
  const called = new AbortController();
  const pool = await SessionPool.open(database.target, {
    applicationName: NAME,
    readOnly: true,
    signal: called.signal,
  });
  const atWork = pool.use(read);
  await waits();
  const ended = expect(atWork).rejects.toThrow('off');
  const taken = pool.use(read);
  called.abort(new Error('called off'));
  await ended;
  await expect(taken).rejects.toThrow('off');
  await pool.close();
  await noneLeft();
});

test('a session of somebody else is left alone, whatever number a pooler has given', async () => {
  const [{ pid } = { pid: '0' }] = await database.query<{ pid: string }>(
    'SELECT pg_backend_pid()::text AS pid',
  );
  const session = await openSession(database.target, { applicationName: NAME });
  // What a pooler would have told: the number of a session of the same role that is not dbps's.
  Object.assign(session, { processID: Number(pid) });
  await interruptSessions([session], database.target, { applicationName: NAME });
  expect(await database.query('SELECT pg_backend_pid()::text AS pid')).toEqual([{ pid }]);
  await noneLeft();
});
