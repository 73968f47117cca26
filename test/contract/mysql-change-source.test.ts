/** Capture from a real binary log: what a stream says of each change, and when a start is refused. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type {
  ChangeStream,
  ChangeTransaction,
  Checkpoint,
  PreparedCapture,
  RelationMap,
} from '../../src/engines/engine.js';
import { UNCHANGED } from '../../src/engines/engine.js';
import { MysqlChangeSource } from '../../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { MysqlTriggerSource } from '../../src/engines/mysql/mysql-trigger-source.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlMapOf } from '../support/mysql-moving.js';
import { everyTypeInserts, everyTypeTable, insertedRows, readCanonicalRows } from '../support/mysql-types.js';
import { OWNER } from '../support/moving.js';
import { changesOf, readUpToMarker } from '../support/reading-changes.js';
import { captureSuite } from './suites/capture.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;

let server: MysqlTestServer;

beforeAll(async () => {
  server = await startMysqlServer({ 'binlog-row-metadata': 'NO_LOG' });
});

afterAll(async () => {
  await server?.stop();
});

interface Source {
  readonly sql: MysqlTestDatabase;
  readonly changes: MysqlChangeSource;
  readonly control: MysqlControl;
  readonly pool: MysqlPool;
  map(table: string, key?: readonly string[]): Promise<RelationMap>;
  prepare(maps: readonly RelationMap[]): Promise<PreparedCapture>;
  stream(
    maps: readonly RelationMap[],
    capture: PreparedCapture,
    from?: Partial<Checkpoint>,
    maxChanges?: number,
  ): Promise<ChangeStream>;
}

const open: { source?: Source; streams: ChangeStream[] } = { streams: [] };

async function openSource(schema: string): Promise<Source> {
  const sql = await server.createDatabase(schema);
  const pool = await MysqlPool.open(sql.target, { applicationName: 'dbps test' });
  const control = new MysqlControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const changes = new MysqlChangeSource(pool, sql.target, 'dbps test');
  open.source = {
    sql,
    changes,
    control,
    pool,
    map: (table, key) => mysqlMapOf(sql, sql, table, key),
    prepare: (maps) => changes.prepare(STREAM, maps, OWNER),
    stream: async (maps, capture, from, maxChanges) => {
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
      const stream = await changes.stream({
        stream: STREAM,
        maps,
        checkpoint,
        signal,
        ...(maxChanges !== undefined && { maxChanges }),
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
  await source?.control.remove(OWNER);
  await source?.pool.close();
  await source?.sql.drop();
});

captureSuite(async (schema) => {
  const source = await openSource(schema);
  return {
    ...source,
    query: (sql) => source.sql.query(sql),
    connect: () => source.sql.connect(),
    stream: (maps, capture, from = capture.start) =>
      source.stream(maps, capture, { applied: from, received: from }),
  };
});

test('changes name the key, and the old one where it changed; generated columns stay at home', async () => {
  const source = await openSource(`
    CREATE TABLE plain (id int PRIMARY KEY, big mediumtext, n int);
    CREATE TABLE composed (a varchar(20) NOT NULL, b int NOT NULL, c int, PRIMARY KEY (a, b));
    CREATE TABLE made (id int PRIMARY KEY, twice int AS (n * 2) STORED, n int, thrice int AS (n * 3) VIRTUAL, last int);`);
  const maps = [
    await source.map('plain'),
    await source.map('composed', ['b', 'a']),
    await source.map('made'),
  ];
  const capture = await source.prepare(maps);
  expect(capture.created).toBe(true);
  expect((await source.prepare(maps)).created).toBe(false);
  const stream = await source.stream(maps, capture);
  const big = 'x'.repeat(70_000);
  await source.sql.query(`
    INSERT INTO plain VALUES (1, '${big}', 1); UPDATE plain SET n = 2; UPDATE plain SET id = 2; DELETE FROM plain;
    INSERT INTO composed VALUES ('k', 7, NULL); UPDATE composed SET c = 1; UPDATE composed SET a = 'l'; DELETE FROM composed;
    INSERT INTO made (id, n, last) VALUES (1, 5, 9), (2, NULL, 8); UPDATE made SET n = 6 WHERE id = 1;`);
  const changes = changesOf(await readUpToMarker(source, stream));
  const [plain, composed, made] = maps;
  expect(changes).toEqual([
    { kind: 'insert', map: plain, values: ['1', big, '1'] },
    { kind: 'update', map: plain, values: ['1', big, '2'], oldKey: null },
    { kind: 'update', map: plain, values: ['2', big, '2'], oldKey: ['1'] },
    { kind: 'delete', map: plain, key: ['2'] },
    { kind: 'insert', map: composed, values: ['k', '7', null] },
    { kind: 'update', map: composed, values: ['k', '7', '1'], oldKey: null },
    { kind: 'update', map: composed, values: ['l', '7', '1'], oldKey: ['7', 'k'] },
    { kind: 'delete', map: composed, key: ['7', 'l'] },
    { kind: 'insert', map: made, values: ['1', '5', '9'] },
    { kind: 'insert', map: made, values: ['2', null, '8'] },
    { kind: 'update', map: made, values: ['1', '6', '9'], oldKey: null },
  ]);
});

test.for(['NO_LOG', 'MINIMAL', 'FULL'])(
  'every type reads the same from the log as from a query: binlog_row_metadata = %s',
  async (metadata) => {
    const source = await openSource(everyTypeTable('every_type', server.isMaria));
    await server.query(`SET GLOBAL binlog_row_metadata = ${metadata}`);
    const map = await source.map('every_type');
    const stream = await source.stream([map], await source.prepare([map]));
    await asRoot(
      source,
      "SET time_zone = '+00:00', sql_mode = '', NAMES utf8mb4",
      ...everyTypeInserts('every_type', server.isMaria),
    );
    const changes = changesOf(await readUpToMarker(source, stream));
    expect(changes.length).toBeGreaterThan(4);
    expect(insertedRows(changes)).toEqual(await readCanonicalRows(source.pool, map));
  },
);

const rootUrlOf = (source: Source): string => `${server.rootUrl.replace(/\/$/, '')}/${source.sql.name}`;

/** As the account that may do what applications should not: override the log's format, hide from it. */
async function asRoot(source: Source, ...statements: string[]): Promise<void> {
  const connection = await source.sql.connect(rootUrlOf(source));
  for (const statement of statements) await connection.query(statement);
}

test('H5: TRUNCATE arrives however it names the relation; of other relations it does not', async () => {
  const source = await openSource(`
    CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE \`odd name\` (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY);`);
  const elsewhere = await server.createDatabase('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t'), await source.map('odd name')];
  const stream = await source.stream(maps, await source.prepare(maps));
  const { name } = source.sql;
  await source.sql.query('INSERT INTO t VALUES (1); TRUNCATE t; INSERT INTO t VALUES (2)');
  await source.sql.query('TRUNCATE TABLE /* not t */ other; TRUNCATE `odd name`');
  await elsewhere.query(`TRUNCATE t; TRUNCATE TABLE \`${name}\` . t`);
  await asRoot(source, "SET sql_mode = 'ANSI_QUOTES'", `TRUNCATE TABLE "${name}"."t"`);
  const changes = changesOf(await readUpToMarker(source, stream));
  await elsewhere.drop();
  const truncate = (map: RelationMap | undefined) => ({
    kind: 'truncate',
    maps: [map],
    leaves: [map?.source],
  });
  expect(changes).toEqual([
    { kind: 'insert', map: maps[0], values: ['1'] },
    truncate(maps[0]),
    { kind: 'insert', map: maps[0], values: ['2'] },
    truncate(maps[1]),
    truncate(maps[0]),
    truncate(maps[0]),
  ]);
});

test('rows of a partitioned relation arrive under its name', async () => {
  const source = await openSource(`
    CREATE TABLE events (id int, at date, PRIMARY KEY (id, at))
    PARTITION BY RANGE (year(at)) (PARTITION p25 VALUES LESS THAN (2026), PARTITION p26 VALUES LESS THAN (2027))`);
  const maps = [await source.map('events', ['id', 'at'])];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.sql.query(
    "INSERT INTO events VALUES (1, '2025-05-05'); UPDATE events SET at = '2026-05-05'; ALTER TABLE events ADD PARTITION (PARTITION p27 VALUES LESS THAN (2028)); INSERT INTO events VALUES (2, '2027-05-05')",
  );
  expect(changesOf(await readUpToMarker(source, stream))).toEqual([
    { kind: 'insert', map: maps[0], values: ['1', '2025-05-05'] },
    { kind: 'update', map: maps[0], values: ['1', '2026-05-05'], oldKey: ['1', '2025-05-05'] },
    { kind: 'insert', map: maps[0], values: ['2', '2027-05-05'] },
  ]);
  await source.sql.query('ALTER TABLE events DROP PARTITION p25');
  await expect(readUpToMarker(source, stream)).rejects.toMatchObject({ code: 'DBPS_E354' });
});

test('what waits to be read is not overwritten by what comes after it', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, note text)');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps), {}, 100);
  const iterator = stream[Symbol.asyncIterator]();
  await source.sql.query(
    `INSERT INTO t SELECT seq, repeat(char(65 + seq % 26), seq * 37 % 9000) FROM seq_1_to_3000`,
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
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  const writer = await source.sql.connect();
  await writer.query(`BEGIN; INSERT INTO t SELECT seq, repeat('x', 400) FROM seq_1_to_60000`);
  await source.sql.query(`INSERT INTO t VALUES (0, 'first')`);
  await writer.query('COMMIT');
  const rolledBack = await source.sql.connect();
  await rolledBack.query(`BEGIN; INSERT INTO t VALUES (-1, 'never'); ROLLBACK`);
  await rolledBack.query(
    `BEGIN; INSERT INTO t VALUES (-2, 'kept'); SAVEPOINT s; INSERT INTO t VALUES (-3, 'never'); ROLLBACK TO s; COMMIT`,
  );
  const before = process.memoryUsage().arrayBuffers;
  const iterator = stream[Symbol.asyncIterator]();
  const first = (await iterator.next()) as { value: ChangeTransaction };
  expect(first.value.changes).toEqual([{ kind: 'insert', map: maps[0], values: ['0', 'first'] }]);
  // 25 MB wait at the server.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  await stream.close();

  const again = await source.stream(maps, capture, { applied: first.value.end, received: first.value.end });
  const transactions = await readUpToMarker(source, again);
  expect(changesOf(transactions)).toHaveLength(60_001);
  expect(transactions.at(-1)?.changes).toEqual([{ kind: 'insert', map: maps[0], values: ['-2', 'kept'] }]);
  const pieces = transactions.slice(0, -1);
  expect(pieces.length).toBeGreaterThan(3);
  expect(pieces.map((piece) => piece.last)).toEqual(pieces.map((_, i) => i === pieces.length - 1));
  expect(new Set(pieces.map((piece) => piece.commit)).size).toBe(1);
});

test("H9: transactions that begin with dbps's own tables are marked, other services' markers are not handed out", async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.sql.query(
    `BEGIN; INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source) VALUES ('x', 'reverse', 1, '', '', '{}');
     INSERT INTO t VALUES (1); COMMIT`,
  );
  await source.sql.query(`INSERT INTO dbps.barrier (service, nonce) VALUES ('other', 'n')`);
  await source.sql.query(`BEGIN; INSERT INTO t VALUES (2); UPDATE dbps.checkpoint SET mark = 1; COMMIT`);
  // An own transaction must not have taught the stream to pass the table over.
  await source.sql.query(`INSERT INTO t VALUES (3)`);
  const transactions = await readUpToMarker(source, stream);
  expect(transactions.map(({ isOwn, changes }) => [isOwn, changes.length])).toEqual([
    [true, 0],
    [false, 0],
    [false, 1],
    [false, 1],
  ]);
});

test('a start is exact at the end of every transaction, and at every idle position', async () => {
  const source = await openSource(
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)',
  );
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  for (let i = 1; i <= 4; i++) {
    await source.sql.query(`BEGIN; INSERT INTO t VALUES (${i}); INSERT INTO t VALUES (${i + 100}); COMMIT`);
    await source.sql.query(`INSERT INTO other VALUES (${i})`);
    await source.sql.query('CREATE TABLE IF NOT EXISTS more (id int)');
    if (i === 2) await server.query('FLUSH BINARY LOGS');
  }
  const transactions = await readUpToMarker(source, stream);
  expect(transactions).toHaveLength(4);
  for (const [i, { end, commit }] of transactions.entries()) {
    for (const [position, left] of [
      [end, 3 - i],
      [commit, 4 - i],
    ] as const) {
      const again = await source.stream(maps, capture, { applied: position, received: position });
      expect(changesOf(await readUpToMarker(source, again))).toHaveLength(2 * left);
      await again.close();
    }
    expect(source.changes.reached(end, commit)).toBe(true);
    expect(source.changes.reached(commit, end)).toBe(false);
  }
  const ends = transactions.map(({ end }) => end);
  expect(ends.toSorted()).toEqual(ends);
});

test('purged logs and a log begun anew are lost captures; another server or capture is another source', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  await source.sql.query('INSERT INTO t VALUES (1)');
  for (const what of ['server', 'database', 'nonce']) {
    const other = { ...capture.identity, [what]: '7' };
    await expect(source.stream(maps, capture, { source: other })).rejects.toMatchObject({
      code: 'DBPS_E353',
      message: expect.stringContaining(what) as string,
    });
  }
  expect(await source.changes.status(STREAM)).toMatchObject({ isLost: false, isActive: false });
  await server.query('FLUSH BINARY LOGS');
  const [master] = await server.query('SHOW MASTER STATUS');
  // Not while the server itself still has a use for them.
  await expect
    .poll(async () => {
      await server.query(`PURGE BINARY LOGS TO '${String(master?.['File'])}'`);
      return (await server.query('SHOW BINARY LOGS')).length;
    })
    .toBe(1);
  expect(await source.changes.status(STREAM)).toMatchObject({ isLost: true });
  await expect(source.stream(maps, capture)).rejects.toMatchObject({ code: 'DBPS_E351', family: 'refused' });
  // Never quietly made again at another place.
  expect(await source.prepare(maps)).toMatchObject({ created: false, start: capture.start });

  await source.changes.teardown(STREAM, OWNER);
  const second = await source.prepare(maps);
  expect(second.created).toBe(true);
  await source.sql.query('INSERT INTO t VALUES (2)');
  const [head] = await server.query('SHOW MASTER STATUS');
  await server.query('RESET MASTER');
  // The same names and offsets, and another log behind them.
  const file = String(head?.['File']);
  for (;;) {
    const [now] = await server.query('SHOW MASTER STATUS');
    if (String(now?.['File']) === file) break;
    await server.query('FLUSH BINARY LOGS');
  }
  for (let id = 100; ; id++) {
    const [now] = await server.query('SHOW MASTER STATUS');
    if (Number(now?.['Position']) > Number(head?.['Position'])) break;
    await source.sql.query('INSERT INTO t VALUES (?)', [id]);
  }
  await expect(source.stream(maps, second)).rejects.toMatchObject({
    code: 'DBPS_E353',
    message: expect.stringContaining('reset') as string,
  });
});

test('a stream takes the place of a session that still holds it', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  const old = await source.stream(maps, capture);
  expect(await source.changes.status(STREAM)).toMatchObject({ isActive: true });
  const successor = await source.stream(maps, capture);
  await source.sql.query('INSERT INTO t VALUES (1)');
  expect(changesOf(await readUpToMarker(source, successor))).toHaveLength(1);
  await expect(readUpToMarker(source, old)).rejects.toMatchObject({ code: 'DBPS_E430', family: 'database' });
});

test('a connection that is lost ends the stream with what may pass; nothing escapes', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  await source.sql.query('INSERT INTO t VALUES (1)');
  expect(changesOf(await readUpToMarker(source, stream))).toHaveLength(1);
  const dumps = await server.query(
    "SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'",
  );
  expect(dumps).toHaveLength(1);
  await server.query(`KILL ${String(dumps[0]?.['id'])}`);
  await expect(readUpToMarker(source, stream)).rejects.toMatchObject({
    code: 'DBPS_E430',
    family: 'database',
  });
});

test.for([
  ['ALTER TABLE t ADD note text', 'INSERT INTO t (id) VALUES (2)', /columns|"note" is not in the plan/],
  ['ALTER TABLE t MODIFY n bigint', 'INSERT INTO t VALUES (2, 2, 2)', /"n" has changed its type/],
  ['ALTER TABLE t MODIFY n int unsigned', 'INSERT INTO t VALUES (2, 2, 2)', /have changed|changed its type/],
  ['ALTER TABLE t DROP n', 'INSERT INTO t VALUES (2, 2)', /"n" has been dropped or renamed/],
  [
    'ALTER TABLE t RENAME COLUMN n TO x; ALTER TABLE t RENAME COLUMN m TO n; ALTER TABLE t RENAME COLUMN x TO m',
    'INSERT INTO t VALUES (2, 2, 2)',
    /have changed/,
  ],
  ['ALTER TABLE t RENAME TO u', 'INSERT INTO u VALUES (2, 2, 2)', /RENAME/],
  ['CREATE TABLE u LIKE t; RENAME TABLE t TO old, u TO t', 'INSERT INTO t VALUES (2, 2, 2)', /RENAME/],
  [
    'DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, n int, m int)',
    'INSERT INTO t VALUES (2, 2, 2)',
    /DROP TABLE/,
  ],
] as const)('a change of shape in the middle ends the stream: %s', async ([ddl, dml, message]) => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, n int, m int)');
  await server.query('SET GLOBAL binlog_row_metadata = NO_LOG');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.sql.query('INSERT INTO t VALUES (1, 1, 1)');
  await source.sql.query(
    'CREATE INDEX i ON t (n); ALTER TABLE t ENGINE = InnoDB; INSERT INTO t VALUES (9, 9, 9)',
  );
  expect(changesOf(await readUpToMarker(source, stream))).toHaveLength(2);
  await source.sql.query(ddl);
  await source.sql.query(dml);
  await expect(readUpToMarker(source, stream)).rejects.toMatchObject({
    code: 'DBPS_E354',
    message: expect.stringMatching(message) as string,
  });
});

test('labels added at the end of a list stop the stream until the plan has them; rows of before and after are read then', async () => {
  const source = await openSource("CREATE TABLE t (id int PRIMARY KEY, e enum('a','b'), s set('x'))");
  await server.query('SET GLOBAL binlog_row_metadata = NO_LOG');
  const planned = await source.map('t');
  const capture = await source.prepare([planned]);
  const stream = await source.stream([planned], capture);
  await source.sql.query("INSERT INTO t VALUES (1, 'b', 'x')");
  await source.sql.query("ALTER TABLE t MODIFY e enum('a','b','c'), MODIFY s set('x','y')");
  await source.sql.query("INSERT INTO t VALUES (2, 'c', 'x,y')");
  await expect(readUpToMarker(source, stream)).rejects.toMatchObject({
    code: 'DBPS_E354',
    message: expect.stringMatching(/"e" has changed its type/) as string,
  });
  await stream.close();
  const again = await source.stream([await source.map('t')], capture);
  expect(
    changesOf(await readUpToMarker(source, again)).map((change) => 'values' in change && change.values),
  ).toEqual([
    ['1', 'b', 'x'],
    ['2', 'c', 'x,y'],
  ]);
});

test('rows of before a column was added keep what the other side has; a log of before a change that says nothing is refused', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, n int, m int)');
  await server.query('SET GLOBAL binlog_row_metadata = NO_LOG');
  const before = [await source.map('t')];
  const capture = await source.prepare(before);
  await source.sql.query(
    'INSERT INTO t VALUES (1, 1, 1); ALTER TABLE t ADD note text AFTER id; INSERT INTO t VALUES (2, "x", 2, 2)',
  );
  const after = [await source.map('t')];
  const stream = await source.stream(after, capture);
  const values = changesOf(await readUpToMarker(source, stream)).map((change) =>
    change.kind === 'insert' ? change.values : [],
  );
  expect(values).toEqual([
    ['1', UNCHANGED, '1', '1'],
    ['2', 'x', '2', '2'],
  ]);
  await stream.close();

  // The names changed places before the stream began: the log's rows look the same on both sides of it.
  await source.sql.query(
    'INSERT INTO t VALUES (3, "y", 3, 33); ALTER TABLE t RENAME COLUMN n TO x; ALTER TABLE t RENAME COLUMN m TO n; ALTER TABLE t RENAME COLUMN x TO m',
  );
  const later = [await source.map('t')];
  await expect(readUpToMarker(source, await source.stream(later, capture))).rejects.toMatchObject({
    code: 'DBPS_E354',
  });
});

test.for([
  ['SET SESSION binlog_row_image = MINIMAL', 'UPDATE t SET n = 2', /binlog_row_image/],
  ['SET SESSION binlog_row_image = NOBLOB', 'UPDATE t SET n = 2', /binlog_row_image/],
  ['SET SESSION binlog_format = STATEMENT', 'UPDATE t SET n = 2', /binlog_format/],
  ['SET SESSION binlog_format = STATEMENT', 'CALL touch()', /binlog_format/],
  ["XA START 'x'; UPDATE t SET n = 2; XA END 'x'; XA PREPARE 'x'", "XA COMMIT 'x'", /XA PREPARE/],
] as const)('what the log does not say is refused: %s; %s', async ([setting, statement, message]) => {
  const source = await openSource(
    `CREATE TABLE t (id int PRIMARY KEY, n int, b blob); CREATE PROCEDURE touch() UPDATE t SET n = 3; INSERT INTO t VALUES (1, 1, 'b')`,
  );
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  await asRoot(source, setting, statement);
  await expect(readUpToMarker(source, stream)).rejects.toMatchObject({
    code: 'DBPS_E359',
    message: expect.stringMatching(message) as string,
  });
});

/** Sets it, or tells that this flavour of the family has no such setting: then nothing of its kind can be in the log. */
async function isSet(
  setting: string,
  session?: Awaited<ReturnType<MysqlTestDatabase['connect']>>,
): Promise<boolean> {
  try {
    await (session === undefined
      ? server.query(`SET GLOBAL ${setting}`)
      : session.query(`SET SESSION ${setting}`));
    return true;
  } catch (error) {
    expect((error as { errno?: number }).errno).toBe(UNKNOWN_VARIABLE);
    return false;
  }
}
const UNKNOWN_VARIABLE = 1193;

test('what MariaDB compresses in the log (log_bin_compress) is read', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, note text)');
  expect(await isSet('log_bin_compress = ON')).toBe(server.isMaria);
  if (server.isMaria) await server.query('SET GLOBAL log_bin_compress_min_len = 10');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  const note = 'again and '.repeat(100);
  await source.sql.query(
    `INSERT INTO t VALUES (1, '${note}'); UPDATE t SET id = 2; DELETE FROM t; TRUNCATE TABLE /* ${note} */ t`,
  );
  const changes = changesOf(await readUpToMarker(source, stream));
  await isSet('log_bin_compress = OFF');
  expect(changes).toEqual([
    { kind: 'insert', map: maps[0], values: ['1', note] },
    { kind: 'update', map: maps[0], values: ['2', note], oldKey: ['1'] },
    { kind: 'delete', map: maps[0], key: ['2'] },
    { kind: 'truncate', maps: [maps[0]], leaves: [maps[0]?.source] },
  ]);
});

test('VECTOR, on servers that have it, is refused before anything is begun', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const hasVectors = await source.sql.query('ALTER TABLE t ADD v VECTOR(3)').then(
    () => true,
    (error: { errno?: number }) => {
      expect(UNKNOWN_TYPE).toContain(error.errno);
      return false;
    },
  );
  if (!hasVectors) return;
  await expect(source.prepare([await source.map('t')])).rejects.toMatchObject({
    code: 'DBPS_E355',
    message: expect.stringContaining('column "v": VECTOR') as string,
  });
  // Beside what is captured it disturbs nobody.
  await source.sql.query('CREATE TABLE plain (id int PRIMARY KEY)');
  const plain = [await source.map('plain')];
  const stream = await source.stream(plain, await source.prepare(plain));
  await source.sql.query(
    "INSERT INTO t VALUES (1, TO_VECTOR('[1.5, -2, 3e-20]')), (2, NULL); INSERT INTO plain VALUES (1); UPDATE t SET v = NULL",
  );
  expect(changesOf(await readUpToMarker(source, stream))).toEqual([
    { kind: 'insert', map: plain[0], values: ['1'] },
  ]);
});
/** As MySQL says it, and as MariaDB does. */
const UNKNOWN_TYPE = [1064, 4161];

const UNREADABLE = [
  ['binlog_transaction_compression', 'ON', 'OFF', 'compressed'],
  ['binlog_row_value_options', "'PARTIAL_JSON'", "''", 'as differences'],
] as const;

test.for(UNREADABLE)('MySQL: capture is not begun on %s = %s', async ([name, value, usual, why]) => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, j json)');
  const maps = [await source.map('t')];
  expect(await isSet(`${name} = ${value}`)).toBe(!server.isMaria);
  if (server.isMaria) return;
  await expect(source.prepare(maps)).rejects.toMatchObject({
    code: 'DBPS_E359',
    message: expect.stringContaining(why) as string,
    hint: expect.stringContaining(`${name} = ${usual}`) as string,
  });
  await isSet(`${name} = ${usual}`);
  expect(await source.changes.status(STREAM)).toBeNull();
});

test.for(UNREADABLE)(
  'MySQL: a session that sets %s = %s ends the stream before what it cannot read; nothing is passed over',
  async ([name, value, , why]) => {
    const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, j json)');
    const maps = [await source.map('t')];
    const capture = await source.prepare(maps);
    await source.sql.query(`INSERT INTO t VALUES (1, JSON_OBJECT('a', 1, 'b', REPEAT('x', 2000)))`);
    const session = await source.sql.connect(rootUrlOf(source));
    expect(await isSet(`${name} = ${value}`, session)).toBe(!server.isMaria);
    if (server.isMaria) return;
    await session.query("UPDATE t SET j = JSON_REPLACE(j, '$.a', 2)");
    await source.sql.query("INSERT INTO t VALUES (2, '{}')");
    // From where it began, and from where the change before ended: always the same.
    let from = capture.start;
    for (const expected of [['1'], []]) {
      const ids: unknown[] = [];
      const stream = await source.stream(maps, capture, { applied: from, received: from });
      await expect(
        (async () => {
          for await (const { changes, end } of stream) {
            ids.push(...changes.map((change) => (change.kind === 'insert' ? change.values[0] : change.kind)));
            from = end;
          }
        })(),
      ).rejects.toMatchObject({ code: 'DBPS_E359', message: expect.stringContaining(why) as string });
      expect(ids).toEqual(expected);
    }
  },
);

test.for([
  ['binlog_format', 'MIXED', 'ROW'],
  ['binlog_row_image', 'NOBLOB', 'FULL'],
] as const)('capture is not begun on %s = %s', async ([name, value, usual]) => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  await server.query(`SET GLOBAL ${name} = ${value}`);
  await expect(source.prepare(maps)).rejects.toMatchObject({
    code: 'DBPS_E359',
    hint: expect.stringContaining(usual) as string,
  });
  await server.query(`SET GLOBAL ${name} = ${usual}`);
  expect(await source.changes.status(STREAM)).toBeNull();
});

test('a column that the log does not give exactly is refused before anything is begun', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, note varchar(20) CHARACTER SET sjis)');
  await expect(source.prepare([await source.map('t')])).rejects.toMatchObject({
    code: 'DBPS_E355',
    message: expect.stringContaining('"note"') as string,
  });
});

test('idle positions are offered, and go on from there', async () => {
  const source = await openSource(
    'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)',
  );
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  void (async () => {
    for await (const _ of stream);
  })();
  await source.sql.query('INSERT INTO other SELECT seq FROM seq_1_to_1000');
  const { changes } = source;
  const head = await changes.currentPosition();
  await expect
    .poll(() => changes.reached(stream.idlePosition() ?? capture.start, head), { timeout: 20_000 })
    .toBe(true);
  const idle = stream.idlePosition() ?? '';
  stream.acknowledge(idle);
  expect(stream.idlePosition()).toBeNull();
  expect(changes.distance(capture.start, idle)).toBeGreaterThan(1000);
  await server.query('FLUSH BINARY LOGS');
  await expect.poll(() => stream.idlePosition(), { timeout: 20_000 }).not.toBeNull();
  const rotated = stream.idlePosition() ?? '';
  expect(rotated > idle).toBe(true);
  await changes.status(STREAM);
  expect(changes.distance(idle, rotated)).toBeGreaterThan(0);
  await stream.close();
  await source.sql.query('INSERT INTO t VALUES (1)');
  const again = await source.stream(maps, capture, { applied: rotated, received: rotated });
  expect(changesOf(await readUpToMarker(source, again))).toHaveLength(1);
});

test('an account that may not read the log is told so, and so is one that may not ask about it', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  await server.query("REVOKE REPLICATION SLAVE ON *.* FROM 'dbps_admin'@'%'");
  await expect(source.prepare(maps)).rejects.toMatchObject({ code: 'DBPS_E405' });
  await server.query("GRANT REPLICATION SLAVE ON *.* TO 'dbps_admin'@'%'");
});

test('a relation whose rows cannot be told apart is refused with what helps: a key', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const keyless = { ...(await source.map('t')), key: [] };
  for (const changes of [
    source.changes,
    new MysqlTriggerSource(source.pool, source.changes.target, 'dbps test'),
  ])
    await expect(changes.prepare(STREAM, [keyless], OWNER)).rejects.toMatchObject({
      code: 'DBPS_E355',
      hint: 'give it a primary key',
    });
});
