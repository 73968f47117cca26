/** A service's copy as a whole: parallel chunks, indexes beside them, and going on after it was stopped. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DdlRunner, Statement, StagedStatement } from '../../src/engines/engine.js';
import { copyRelations, type CopyWork } from '../../src/migration/copier.js';
import type { DbpsEvent } from '../../src/model/events.js';
import { contentOf, mapOf, openCopy, OWNER, type CopyPieces } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let legacy: TestDatabase;
let service: TestDatabase;
let pieces: CopyPieces;

beforeEach(async () => {
  [legacy, service] = await Promise.all([createTestDatabase('legacy'), createTestDatabase('service')]);
  await legacy.query(`CREATE TABLE users (id integer PRIMARY KEY, email text);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id integer, note text);
    INSERT INTO users SELECT g, 'u' || g FROM generate_series(1, 300) g;
    INSERT INTO orders SELECT g, g % 300 + 1, repeat('n', g % 50) FROM generate_series(1, 4000) g`);
  await service.query(`CREATE TABLE users (id integer NOT NULL, email text);
    CREATE TABLE orders (id bigint NOT NULL, user_id integer, note text)`);
  pieces = await openCopy(legacy, service);
});
afterEach(async () => {
  await pieces.close();
  await Promise.all([legacy.drop(), service.drop()]);
});

const statement = (stage: StagedStatement['stage'], relation: string, sql: string): StagedStatement => ({
  stage,
  relation,
  sql,
  purpose: sql,
  undo: null,
  group: sql,
});

async function work(
  overrides: Partial<CopyWork> = {},
): Promise<{ work: CopyWork; events: DbpsEvent[]; ran: string[] }> {
  const events: DbpsEvent[] = [];
  const ran: string[] = [];
  const ddlRunner: Pick<DdlRunner, 'run'> = {
    run: async (statements: readonly Statement[]) => {
      for (const { sql } of statements) {
        await service.query(sql);
        ran.push(sql);
      }
    },
  };
  return {
    events,
    ran,
    work: {
      service: 'orders',
      owner: OWNER,
      maps: [await mapOf(legacy, 'public.users'), await mapOf(legacy, 'public.orders')],
      snapshot: pieces.snapshot,
      sink: pieces.writer,
      ddlRunner,
      statements: [
        statement('base', 'public.users', 'not to be run'),
        statement('key', 'public.users', 'ALTER TABLE users ADD PRIMARY KEY (id)'),
        statement('index', 'public.orders', 'CREATE INDEX orders_user ON orders (user_id)'),
        statement('key', 'public.orders', 'ALTER TABLE orders ADD PRIMARY KEY (id)'),
        statement('constraint', 'public.users', 'not to be run either'),
      ],
      later: (a, b) => (a > b ? a : b),
      chunkRows: 500,
      jobs: 2,
      emit: (event) => void events.push(event),
      signal: new AbortController().signal,
      now: () => Date.now(),
      at: async () => undefined,
      ...overrides,
    },
  };
}

test('copies every relation, builds each key after its last chunk and its indexes after the key', async () => {
  const { work: all, events, ran } = await work();
  const outcome = await copyRelations(all);
  expect(outcome).toMatchObject({
    rows: 4300,
    relations: [
      { relation: 'public.orders', rows: 4000 },
      { relation: 'public.users', rows: 300, chunks: 1 },
    ],
  });
  expect(outcome.position).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
  for (const table of ['users', 'orders'])
    expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));
  expect([...ran].sort()).toEqual([
    'ALTER TABLE orders ADD PRIMARY KEY (id)',
    'ALTER TABLE users ADD PRIMARY KEY (id)',
    'CREATE INDEX orders_user ON orders (user_id)',
  ]);
  expect(ran.indexOf('CREATE INDEX orders_user ON orders (user_id)')).toBeGreaterThan(
    ran.indexOf('ALTER TABLE orders ADD PRIMARY KEY (id)'),
  );
  expect(
    await service.query("SELECT 1 FROM pg_stats WHERE tablename = 'orders' AND attname = 'user_id'"),
  ).toHaveLength(1);
  // The largest relation is begun first; the last event has everything.
  const progress = events.filter((event) => event.type === 'progress');
  expect(progress[0]?.relation).toBe('public.orders');
  expect(progress.at(-1)).toMatchObject({ rows: 4300, totalRows: 4300, etaMs: 0, activity: 'copy' });
});

test('H4: nothing is read before what was under way when capture began is visible', async () => {
  const late = await legacy.connect();
  await late.query("BEGIN; INSERT INTO users VALUES (301, 'late')");
  const { work: all } = await work();
  let isCopied = false;
  const copying = copyRelations(all).then(() => (isCopied = true));
  // Capture that began just before this commit will not deliver it: it must be in what is read.
  const looks = () =>
    legacy.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_snapshot_xmin(%'");
  await expect.poll(async () => isCopied || (await looks()).length > 0, { timeout: 60_000 }).toBe(true);
  await late.query('COMMIT');
  await copying;
  expect(await contentOf(service, 'users')).toEqual(await contentOf(legacy, 'users'));
});

test('goes on where it was stopped: no chunk is written twice, and cuts stay as they were', async () => {
  let written = 0;
  const stop = new AbortController();
  const first = await work({
    signal: stop.signal,
    at: async (point) => {
      if (point === 'copy.chunk-written' && ++written === 3) stop.abort(new Error('stopped'));
    },
  });
  await expect(copyRelations(first.work)).rejects.toThrow('stopped');
  const before = await pieces.writer.copyProgress();
  const done = before.reduce((sum, p) => sum + p.rows, 0);
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(4300);

  // The table grows meanwhile: other cuts would be made now, but those on record count.
  await legacy.query('INSERT INTO orders SELECT g, 1 FROM generate_series(5001, 9000) g');
  const second = await work();
  const outcome = await copyRelations(second.work);
  expect(outcome.rows).toBe(8300 - done);
  expect(outcome.relations.map((r) => r.chunks)).toEqual(before.map((p) => p.chunks));
  for (const table of ['users', 'orders'])
    expect(await contentOf(service, table)).toEqual(await contentOf(legacy, table));

  // And once more, with nothing left to do.
  const third = await work({
    ddlRunner: { run: async () => undefined },
  });
  expect((await copyRelations(third.work)).rows).toBe(0);
});

test('a failure in one relation stops the others and is what the caller sees', async () => {
  await service.query('INSERT INTO users VALUES (1); CREATE UNIQUE INDEX ON users (id)');
  const { work: all } = await work();
  await expect(copyRelations(all)).rejects.toThrow(/duplicate key/);
});

test('a relation without a key is refused with its remedy before anything is read', async () => {
  const { work: all, events } = await work();
  const keyless = { ...all, maps: [all.maps[0]!, { ...all.maps[1]!, key: [] }] };
  await expect(copyRelations(keyless)).rejects.toMatchObject({ code: 'DBPS_E320' });
  expect(events).toMatchObject([{ type: 'finding', finding: { code: 'RPL201', subject: 'public.orders' } }]);
  expect(await pieces.writer.copyProgress()).toEqual([]);
});
