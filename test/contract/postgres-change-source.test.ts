/** Capture on a real server: what is published, what a stream says of each change, and when a start is refused. */
import { afterEach, expect, test } from 'vitest';
import type {
  ChangeStream,
  ChangeTransaction,
  Checkpoint,
  Control,
  Database,
  PreparedCapture,
  RelationMap,
} from '../../src/engines/engine.js';
import { UNCHANGED } from '../../src/engines/engine.js';
import { captureName } from '../../src/engines/postgres/postgres-capture-name.js';
import { postgresEngine } from '../../src/engines/postgres/postgres-engine.js';
import { mapOf, OWNER } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { changesOf, readUpToMarker } from '../support/reading-changes.js';
import { captureSuite } from './suites/capture.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;

interface Source {
  readonly sql: TestDatabase;
  readonly database: Database;
  readonly control: Control;
  readonly slot: string;
  prepare(maps: readonly RelationMap[]): Promise<PreparedCapture>;
  stream(
    maps: readonly RelationMap[],
    capture: PreparedCapture,
    from?: Partial<Checkpoint>,
  ): Promise<ChangeStream>;
}

const open: { source?: Source; streams: ChangeStream[] } = { streams: [] };

async function openSource(schema: string): Promise<Source> {
  const sql = await createTestDatabase('legacy', schema);
  const database = await postgresEngine.open(sql.target, { applicationName: 'dbps test' });
  await database.control.install(OWNER.service);
  await database.control.raiseEpoch(OWNER);
  open.source = {
    sql,
    database,
    control: database.control,
    slot: captureName(STREAM, sql.name),
    prepare: (maps) => database.changes.prepare(STREAM, maps, OWNER),
    stream: async (maps, capture, from) => {
      const checkpoint: Checkpoint = {
        ...STREAM,
        epoch: 1,
        applied: capture.start,
        received: capture.start,
        source: capture.identity,
        updatedAt: '',
        ...from,
      };
      const { signal } = new AbortController();
      const stream = await database.changes.stream({ stream: STREAM, maps, checkpoint, signal });
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
  await source?.database.changes.teardown(STREAM, OWNER);
  await source?.database.close();
  await source?.sql.drop();
});

captureSuite(async (schema) => {
  const source = await openSource(schema);
  return {
    ...source,
    query: (sql) => source.sql.query(sql),
    connect: () => source.sql.connect(),
    map: (table, key) => mapOf(source.sql, `public.${table}`, key),
    stream: (maps, capture, from = capture.start) =>
      source.stream(maps, capture, { applied: from, received: from }),
  };
});

test('changes of default, index and FULL identity name the key, and what the log does not have', async () => {
  const source = await openSource(`
    CREATE TABLE plain (id int PRIMARY KEY, big text, n int);
    ALTER TABLE plain ALTER big SET STORAGE EXTERNAL;
    CREATE TABLE indexed (a text NOT NULL, b int NOT NULL, c int);
    CREATE UNIQUE INDEX i ON indexed (a, b);
    ALTER TABLE indexed REPLICA IDENTITY USING INDEX i;
    CREATE TABLE whole (id int PRIMARY KEY, big text, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
    ALTER TABLE whole ALTER big SET STORAGE EXTERNAL;
    ALTER TABLE whole REPLICA IDENTITY FULL;`);
  const maps = [
    await mapOf(source.sql, 'public.plain'),
    await mapOf(source.sql, 'public.indexed', ['b', 'a']),
    await mapOf(source.sql, 'public.whole'),
  ];
  const capture = await source.prepare(maps);
  expect(capture.created).toBe(true);
  expect((await source.prepare(maps)).created).toBe(false);
  const stream = await source.stream(maps, capture);
  const big = 'x'.repeat(9000);
  await source.sql.query(`
    INSERT INTO plain VALUES (1, '${big}', 1); UPDATE plain SET n = 2; UPDATE plain SET id = 2; DELETE FROM plain;
    INSERT INTO indexed VALUES ('k', 7, NULL); UPDATE indexed SET c = 1; UPDATE indexed SET a = 'l'; DELETE FROM indexed;
    INSERT INTO whole (id, big, n) VALUES (1, '${big}', 1); UPDATE whole SET n = 2; UPDATE whole SET id = 3; DELETE FROM whole;`);
  const changes = changesOf(await readUpToMarker(source, stream));
  const [plain, indexed, whole] = maps;
  expect(changes).toEqual([
    { kind: 'insert', map: plain, values: ['1', big, '1'] },
    { kind: 'update', map: plain, values: ['1', UNCHANGED, '2'], oldKey: null },
    { kind: 'update', map: plain, values: ['2', UNCHANGED, '2'], oldKey: ['1'] },
    { kind: 'delete', map: plain, key: ['2'] },
    { kind: 'insert', map: indexed, values: ['k', '7', null] },
    { kind: 'update', map: indexed, values: ['k', '7', '1'], oldKey: null },
    { kind: 'update', map: indexed, values: ['l', '7', '1'], oldKey: ['7', 'k'] },
    { kind: 'delete', map: indexed, key: ['7', 'l'] },
    { kind: 'insert', map: whole, values: ['1', big, '1'] },
    // H12: under FULL every column is flagged; the key is the plan's. The old row has what the new one leaves out.
    { kind: 'update', map: whole, values: ['1', big, '2'], oldKey: null },
    { kind: 'update', map: whole, values: ['3', big, '2'], oldKey: ['1'] },
    { kind: 'delete', map: whole, key: ['3'] },
  ]);
});

test('H5: a TRUNCATE of one partition arrives, under the root, naming the leaf; so do rows of a partition made later', async () => {
  const source = await openSource(`
    CREATE TABLE events (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE events_25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');`);
  const maps = [
    { ...(await mapOf(source.sql, 'public.events', ['id', 'at'])), leaves: ['public.events_25'] },
  ];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.sql.query(`INSERT INTO events VALUES (1, '2025-05-05')`);
  await source.sql.query(`TRUNCATE events_25`);
  await source.sql.query(
    `CREATE TABLE events_26 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`,
  );
  await source.sql.query(`INSERT INTO events VALUES (2, '2026-05-05')`);
  expect(changesOf(await readUpToMarker(source, stream))).toEqual([
    { kind: 'insert', map: maps[0], values: ['1', '2025-05-05'] },
    { kind: 'truncate', maps: [maps[0]], leaves: ['public.events_25'] },
    { kind: 'insert', map: maps[0], values: ['2', '2026-05-05'] },
  ]);
});

test('what waits to be read is not overwritten by what comes after it', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, note text)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  const iterator = stream[Symbol.asyncIterator]();
  // Messages of all sizes, so that they lie across the socket's reads; many wait before the first is looked at.
  await source.sql.query(
    `INSERT INTO t SELECT g, repeat(chr(65 + g % 26), g * 37 % 9000) FROM generate_series(1, 3000) g`,
  );
  const rows: string[] = [];
  while (rows.length < 3000) {
    const { value } = (await iterator.next()) as { value: ChangeTransaction };
    for (const change of value.changes) if (change.kind === 'insert') rows.push(String(change.values[1]));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const expected = Array.from({ length: 3000 }, (_, i) => {
    const g = i + 1;
    return String.fromCharCode(65 + (g % 26)).repeat((g * 37) % 9000);
  });
  expect(rows.every((row, i) => row === expected[i])).toBe(true);
});

test('a large transaction arrives in pieces, a slow reader holds the socket, nothing is handed out before the commit', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, note text)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  const writer = await source.sql.connect();
  await writer.query('BEGIN');
  await writer.query(`INSERT INTO t SELECT g, repeat('x', 400) FROM generate_series(1, 60000) g`);
  await source.sql.query(`INSERT INTO t VALUES (0, 'first')`);
  await writer.query('COMMIT');
  const rolledBack = await source.sql.connect();
  await rolledBack.query(`BEGIN; INSERT INTO t VALUES (-1, 'never'); ROLLBACK`);
  const transactions = await readUpToMarker(source, stream);
  expect(changesOf(transactions)).toHaveLength(60_001);
  expect(transactions[0]?.changes).toEqual([{ kind: 'insert', map: maps[0], values: ['0', 'first'] }]);
  const pieces = transactions.slice(1);
  expect(pieces.length).toBeGreaterThan(3);
  expect(pieces.map((piece) => piece.last)).toEqual(pieces.map((_, i) => i === pieces.length - 1));
  expect(new Set(pieces.map((piece) => piece.commit)).size).toBe(1);
});

test("H9: transactions that begin with dbps's own tables are marked, other services' markers are not handed out", async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.sql.query(
    `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source) VALUES ('x', 'reverse', 1, '', '', '{}');
     INSERT INTO t VALUES (1)`,
  );
  await source.sql.query(`INSERT INTO dbps.barrier VALUES ('other', 'n')`);
  await source.sql.query(`INSERT INTO t VALUES (2); UPDATE dbps.checkpoint SET mark = 1`);
  const transactions = await readUpToMarker(source, stream);
  expect(transactions.map(({ isOwn, changes }) => [isOwn, changes.length])).toEqual([
    [true, 0],
    [false, 0],
    [false, 1],
  ]);
});

test('H9: a slot that is older than its publication, or was lost, is never quietly made again', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await mapOf(source.sql, 'public.t')];
  await source.sql.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [source.slot]);
  await expect(source.prepare(maps)).rejects.toMatchObject({ code: 'DBPS_E351', family: 'refused' });
  await source.database.changes.teardown(STREAM, OWNER);

  const capture = await source.prepare(maps);
  await source.sql.query('SELECT pg_drop_replication_slot($1)', [source.slot]);
  expect(await source.database.changes.status(STREAM)).toMatchObject({ isLost: true });
  await expect(source.stream(maps, capture)).rejects.toMatchObject({ code: 'DBPS_E351' });
  await expect(source.prepare(maps)).rejects.toMatchObject({ code: 'DBPS_E351' });
  const slots = await source.sql.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [
    source.slot,
  ]);
  expect(slots).toHaveLength(0);
});

test.for([
  ['ALTER PUBLICATION p DROP TABLE t', 'no longer holds public.t'],
  // Nothing is missing to look at, and everything in between is.
  ['ALTER PUBLICATION p DROP TABLE t; ALTER PUBLICATION p ADD TABLE t', 'holds public.t anew'],
  ["ALTER PUBLICATION p SET (publish = 'insert')", 'no longer publishes every kind of change'],
  ['ALTER PUBLICATION p ADD TABLE other', 'holds public.other too'],
  [
    'ALTER TABLE t RENAME TO old; CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE old RENAME TO gone',
    'no longer holds public.t and holds public.gone too',
  ],
  ['DROP PUBLICATION p', 'is gone'],
] as const)('H5: what is published was altered, so a start is refused: %s', async ([ddl, what]) => {
  const source = await openSource(
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)',
  );
  const maps = [await mapOf(source.sql, 'public.t')];
  const capture = await source.prepare(maps);
  expect(await source.database.changes.status(STREAM)).not.toHaveProperty('altered');
  await source.sql.query('VACUUM FULL t');
  expect(await source.database.changes.status(STREAM)).not.toHaveProperty('altered');
  await source.sql.query(ddl.replaceAll('PUBLICATION p', `PUBLICATION ${source.slot}`));
  expect((await source.database.changes.status(STREAM))?.altered).toContain(what);
  await expect(source.stream(maps, capture)).rejects.toMatchObject({ family: 'refused' });
});

test('H6: a start below what was confirmed is refused, and so is another source', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  await source.sql.query('INSERT INTO t VALUES (1)');
  const [first] = await readUpToMarker(source, stream);
  stream.acknowledge(first?.end ?? '');
  await expect.poll(async () => (await source.database.changes.status(STREAM))?.confirmed).toBe(first?.end);
  await stream.close();

  await expect(source.stream(maps, capture)).rejects.toMatchObject({ code: 'DBPS_E352' });
  const further = { applied: first?.end ?? '', received: first?.end ?? '' };
  for (const what of ['system', 'timeline', 'database', 'slot', 'nonce']) {
    const other = { ...capture.identity, [what]: '7' };
    await expect(source.stream(maps, capture, { ...further, source: other })).rejects.toMatchObject({
      code: 'DBPS_E353',
      message: expect.stringContaining(what) as string,
    });
  }
  // Capture made anew under the same name is another one, although its positions would fit.
  await source.database.changes.teardown(STREAM, OWNER);
  const again = await source.prepare(maps);
  await expect(
    source.stream(maps, capture, { applied: again.start, received: again.start }),
  ).rejects.toMatchObject({
    code: 'DBPS_E353',
  });
  await (await source.stream(maps, again)).close();
});

test('a stream takes the slot from a session that still holds it', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const capture = await source.prepare(maps);
  const old = await source.stream(maps, capture);
  const successor = await source.stream(maps, capture);
  await source.sql.query('INSERT INTO t VALUES (1)');
  expect(changesOf(await readUpToMarker(source, successor))).toHaveLength(1);
  await expect(readUpToMarker(source, old)).rejects.toMatchObject({ code: 'DBPS_E430', family: 'database' });
});

test('a relation whose identity is not its key is refused before its publication would break it', async () => {
  const source = await openSource(`
    CREATE TABLE late (id int PRIMARY KEY DEFERRABLE);
    CREATE TABLE bare (id int);
    CREATE TABLE silent (id int PRIMARY KEY); ALTER TABLE silent REPLICA IDENTITY NOTHING;`);
  for (const name of ['public.late', 'public.bare', 'public.silent'])
    await expect(source.prepare([await mapOf(source.sql, name)])).rejects.toMatchObject({
      code: 'DBPS_E355',
    });
  expect(await source.sql.query('SELECT FROM pg_publication')).toHaveLength(0);
  await source.sql.query('INSERT INTO bare VALUES (1); UPDATE bare SET id = 2');
});

test.for([
  ['ALTER TABLE t ADD note text', /column "note" is not in the plan/],
  ['ALTER TABLE t ALTER n TYPE bigint', /"n" has changed its type/],
  ['ALTER TABLE t DROP n', /"n" has been dropped or renamed/],
  [
    'ALTER TABLE t RENAME TO u; CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO u VALUES (8, 8)',
    /public\.t/,
  ],
] as const)('a change of shape in the middle ends the stream: %s', async ([ddl, message]) => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, n int)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  await source.sql.query('INSERT INTO t VALUES (1, 1)');
  expect(changesOf(await readUpToMarker(source, stream))).toHaveLength(1);
  await source.sql.query(ddl);
  await source.sql.query('INSERT INTO t (id) VALUES (2)');
  if (ddl.includes('RENAME')) await source.sql.query('UPDATE u SET n = 9');
  await expect(readUpToMarker(source, stream)).rejects.toMatchObject({
    code: 'DBPS_E354',
    message: expect.stringMatching(message) as string,
  });
});

test('idle positions are offered, and nothing is confirmed before it is acknowledged', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)');
  const maps = [await mapOf(source.sql, 'public.t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  void (async () => {
    for await (const _ of stream);
  })();
  await source.sql.query('INSERT INTO other SELECT generate_series(1, 1000)');
  const { changes } = source.database;
  const head = await changes.currentPosition();
  await expect
    .poll(() => changes.reached(stream.idlePosition() ?? '0/0', head), { timeout: 20_000 })
    .toBe(true);
  const before = (await changes.status(STREAM))?.confirmed ?? '';
  expect(changes.reached(before, head)).toBe(false);
  stream.acknowledge(stream.idlePosition() ?? '');
  await expect
    .poll(async () => changes.reached((await changes.status(STREAM))?.confirmed ?? '', head))
    .toBe(true);
});

test('names of capture fit the server and tell databases apart', () => {
  const long = captureName({ service: 'Ä long-Service.name '.repeat(9), direction: 'reverse' }, 'db');
  expect(long).toMatch(/^dbps_[a-z0-9_]+_[0-9a-f]{8}_rev$/);
  expect(long.length).toBeLessThanOrEqual(63);
  expect(captureName(STREAM, 'a')).not.toBe(captureName(STREAM, 'b'));
});
