/** Capture by triggers on PostgreSQL: nothing is lost, skipped or sent back. */
import { afterEach, expect, test } from 'vitest';
import type { ChangeStream, PreparedCapture, RelationMap } from '../../src/engines/engine.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresControl } from '../../src/engines/postgres/postgres-control.js';
import { changeLogName } from '../../src/engines/postgres/postgres-trigger-log.js';
import { BEFORE_ALL, formatSnapshotPosition } from '../../src/engines/postgres/postgres-trigger-position.js';
import { PostgresTriggerSource } from '../../src/engines/postgres/postgres-trigger-source.js';
import { mapOf, OWNER } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { changesOf, idsOf, readAll } from '../support/reading-changes.js';
import { captureSuite } from './suites/capture.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;
const LOG = `dbps.${changeLogName(STREAM)}`;
const START = formatSnapshotPosition(BEFORE_ALL);

interface Source {
  readonly sql: TestDatabase;
  readonly changes: PostgresTriggerSource;
  readonly control: PostgresControl;
  readonly pool: SessionPool;
  prepare(maps: readonly RelationMap[]): Promise<PreparedCapture>;
  stream(maps: readonly RelationMap[], capture: PreparedCapture, from?: string): Promise<ChangeStream>;
}

const open: { source?: Source; streams: ChangeStream[] } = { streams: [] };

async function openSource(schema: string): Promise<Source> {
  const sql = await createTestDatabase('legacy', schema);
  const pool = await SessionPool.open(sql.target, { applicationName: 'dbps test' });
  const control = new PostgresControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const changes = new PostgresTriggerSource(pool, sql.target, 'dbps test');
  open.source = {
    sql,
    changes,
    control,
    pool,
    prepare: (maps) => changes.prepare(STREAM, maps, OWNER),
    stream: async (maps, capture, from = capture.start) => {
      const stream = await changes.stream({
        stream: STREAM,
        maps,
        checkpoint: {
          ...STREAM,
          epoch: 1,
          applied: from,
          received: from,
          source: capture.identity,
          updatedAt: '',
        },
        signal: new AbortController().signal,
      });
      open.streams.push(stream);
      return stream;
    },
  };
  return open.source;
}

afterEach(async () => {
  for (const stream of open.streams.splice(0)) await stream.close();
  const { source } = open;
  delete open.source;
  await source?.changes.teardown(STREAM, OWNER);
  const left = await source?.sql.query(
    "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'dbps_capture%' UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'change_log%'",
  );
  await source?.pool.close();
  await source?.sql.drop();
  expect(left).toEqual([]);
});

captureSuite(async (schema) => {
  const source = await openSource(schema);
  return {
    ...source,
    query: (sql) => source.sql.query(sql),
    connect: () => source.sql.connect(),
    map: (table, key) => mapOf(source.sql, `public.${table}`, key),
  };
});

test('odd names and generated columns; values are text whatever the writer has set', async () => {
  const source = await openSource(`
    CREATE TYPE pair AS (a int, b text);
    CREATE TABLE plain (id int PRIMARY KEY, big text, twice int GENERATED ALWAYS AS (n * 2) STORED, n int);
    CREATE TABLE "odd ""name" ("a,b" text NOT NULL, b int NOT NULL, c int, PRIMARY KEY ("a,b", b));
    CREATE TABLE typed (id int PRIMARY KEY, at timestamptz, span interval, f float8, n numeric, b bytea, ok bool, fixed char(4), list text[], p pair, j json);`);
  const maps = [
    await mapOf(source.sql, 'public.plain'),
    { ...(await mapOf(source.sql, 'public."odd ""name"', ['b', 'a,b'])) },
    await mapOf(source.sql, 'public.typed'),
  ];
  const capture = await source.prepare(maps);
  expect(capture.created).toBe(true);
  expect((await source.prepare(maps)).created).toBe(false);
  const stream = await source.stream(maps, capture);
  const big = 'x'.repeat(9000);
  await source.sql.query(`
    INSERT INTO plain (id, big, n) VALUES (1, '${big}', 1); UPDATE plain SET n = 2; UPDATE plain SET id = 2; DELETE FROM plain;
    INSERT INTO "odd ""name" VALUES ('k"{}', 7, NULL); UPDATE "odd ""name" SET "a,b" = ''; DELETE FROM "odd ""name";`);
  await source.sql.query(`
    SET datestyle = 'German'; SET timezone = 'America/New_York'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = 0; SET bytea_output = 'escape';
    INSERT INTO typed VALUES (1, '2026-01-02 03:04:05.678901+00', '1 day 2 hours', 0.1::float8 + 0.2, 1.50, '\\x00ff', true, 'x', '{a,NULL,"b,c"}', (NULL, NULL), '{"a":  1}');`);
  const [plain, odd, typed] = maps;
  expect(changesOf(await readAll(source, stream))).toEqual([
    { kind: 'insert', map: plain, values: ['1', big, '1'] },
    { kind: 'update', map: plain, values: ['1', big, '2'], oldKey: null },
    { kind: 'update', map: plain, values: ['2', big, '2'], oldKey: ['1'] },
    { kind: 'delete', map: plain, key: ['2'] },
    { kind: 'insert', map: odd, values: ['k"{}', '7', null] },
    { kind: 'update', map: odd, values: ['', '7', null], oldKey: ['7', 'k"{}'] },
    { kind: 'delete', map: odd, key: ['7', ''] },
    {
      kind: 'insert',
      map: typed,
      values: [
        '1',
        '2026-01-02 03:04:05.678901+00',
        '1 day 02:00:00',
        '0.30000000000000004',
        '1.50',
        '\\x00ff',
        't',
        'x   ',
        '{a,NULL,"b,c"}',
        '(,)',
        '{"a":  1}',
      ],
    },
  ]);
});

test('H5: TRUNCATE arrives, of a partition under the root and naming the leaf; so do rows of a partition made later', async () => {
  const source = await openSource(`
    CREATE TABLE t (id int PRIMARY KEY);
    CREATE TABLE events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE events_25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');`);
  const maps = [
    await mapOf(source.sql, 'public.t'),
    { ...(await mapOf(source.sql, 'public.events', ['id', 'at'])), leaves: ['public.events_25'] },
  ];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.sql.query(`INSERT INTO events VALUES (1, '2025-05-05')`);
  await source.sql.query(`TRUNCATE events_25; INSERT INTO t VALUES (1); TRUNCATE t`);
  await source.sql.query(
    `CREATE TABLE events_26 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
  );
  await source.sql.query(`INSERT INTO events VALUES (2, '2026-05-05')`);
  const [t, events] = maps;
  expect(changesOf(await readAll(source, stream))).toEqual([
    { kind: 'insert', map: events, values: ['1', '2025-05-05'] },
    { kind: 'truncate', maps: [events], leaves: ['public.events_25'] },
    { kind: 'insert', map: t, values: ['1'] },
    { kind: 'truncate', maps: [t], leaves: ['public.t'] },
    { kind: 'insert', map: events, values: ['2', '2026-05-05'] },
  ]);
});

test("what dbps itself has written is not captured, what is durable is purged, other services' markers are not handed out", async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.pool.query('INSERT INTO public.t VALUES (1)');
  await source.sql.query(`INSERT INTO dbps.barrier VALUES ('other', 'n')`);
  await source.sql.query('INSERT INTO t VALUES (2)');
  const transactions = await readAll(source, stream);
  expect(idsOf(changesOf(transactions))).toEqual([2]);
  expect(transactions.flatMap(({ barriers }) => barriers)).toHaveLength(1);
  const before = await source.changes.currentPosition();
  void (async () => {
    for await (const _ of stream);
  })().catch(() => undefined);
  // Others' transactions move the position too: whoever waits for one is not left waiting.
  await expect
    .poll(() => source.changes.reached(stream.idlePosition() ?? START, before), { timeout: 20_000 })
    .toBe(true);
  stream.acknowledge(stream.idlePosition() ?? '');
  await expect
    .poll(async () => (await source.sql.query(`SELECT id FROM ${LOG}`)).length, { timeout: 20_000 })
    .toBe(0);
});

test('a trigger that was taken away or switched off, and a relation that has changed, end capture', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, n int)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  expect(await source.changes.status(STREAM)).toMatchObject({ isActive: true, isLost: false });
  await source.sql.query('ALTER TABLE t ADD note text');
  await expect(
    (async () => {
      for await (const _ of stream);
    })(),
  ).rejects.toMatchObject({ code: 'DBPS_E354' });
  await stream.close();
  await source.sql.query('ALTER TABLE t DROP note');
  const successor = await source.stream(maps, capture);
  const taken = await source.stream(maps, capture);
  await expect(readAll(source, successor)).rejects.toMatchObject({ code: 'DBPS_E430', family: 'database' });
  await taken.close();
  await source.sql.query('ALTER TABLE t DISABLE TRIGGER USER');
  expect(await source.changes.status(STREAM)).toMatchObject({ isLost: true });
  await expect(source.stream(maps, capture)).rejects.toMatchObject({ code: 'DBPS_E351' });
});
