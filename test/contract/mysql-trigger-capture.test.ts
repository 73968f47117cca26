/** Capture by triggers on a server that writes no binary log: nothing is lost, skipped or sent back. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ChangeStream, PreparedCapture, RelationMap } from '../../src/engines/engine.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { changeLogName } from '../../src/engines/mysql/mysql-trigger-log.js';
import { MysqlTriggerSource } from '../../src/engines/mysql/mysql-trigger-source.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlMapOf } from '../support/mysql-moving.js';
import { everyTypeInserts, everyTypeTable, insertedRows, readCanonicalRows } from '../support/mysql-types.js';
import { OWNER } from '../support/moving.js';
import { changesOf, idsOf, readAll } from '../support/reading-changes.js';
import { captureSuite } from './suites/capture.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;

let server: MysqlTestServer;

beforeAll(async () => {
  server = await startMysqlServer({ 'skip-log-bin': 1 });
});

afterAll(async () => {
  await server?.stop();
});

interface Source {
  readonly sql: MysqlTestDatabase;
  readonly changes: MysqlTriggerSource;
  readonly control: MysqlControl;
  readonly pool: MysqlPool;
  readonly log: string;
  map(table: string, key?: readonly string[]): Promise<RelationMap>;
  prepare(maps: readonly RelationMap[]): Promise<PreparedCapture>;
  stream(maps: readonly RelationMap[], capture: PreparedCapture, from?: string): Promise<ChangeStream>;
}

const open: { source?: Source; streams: ChangeStream[] } = { streams: [] };

async function openSource(schema: string): Promise<Source> {
  const sql = await server.createDatabase(schema);
  const pool = await MysqlPool.open(sql.target, { applicationName: 'dbps test' });
  const control = new MysqlControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const changes = new MysqlTriggerSource(pool, sql.target, 'dbps test');
  open.source = {
    sql,
    changes,
    control,
    pool,
    log: `dbps.${changeLogName(STREAM, sql.name)}`,
    map: (table, key) => mysqlMapOf(sql, sql, table, key),
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
  const left = await server.query("SHOW TABLES FROM dbps LIKE 'change\\_log%'");
  const triggers = await server.query(
    "SELECT trigger_name FROM information_schema.triggers WHERE trigger_name LIKE 'dbps%'",
  );
  await source?.control.remove(OWNER);
  await source?.pool.close();
  await source?.sql.drop();
  expect([...left, ...triggers]).toEqual([]);
});

captureSuite(async (schema) => {
  const source = await openSource(schema);
  return { ...source, query: (sql) => source.sql.query(sql), connect: () => source.sql.connect() };
});

test('odd names, generated columns, rows that replace others', async () => {
  const source = await openSource(`
    CREATE TABLE plain (id int PRIMARY KEY, note text, twice int AS (n * 2) STORED, n int);
    CREATE TABLE \`odd 'name\` (\`a,b\` varchar(20) NOT NULL, \`select\` int NOT NULL, c int, PRIMARY KEY (\`a,b\`, \`select\`));`);
  const maps = [await source.map('plain'), await source.map("odd 'name", ['select', 'a,b'])];
  const capture = await source.prepare(maps);
  expect(capture.created).toBe(true);
  expect((await source.prepare(maps)).created).toBe(false);
  const stream = await source.stream(maps, capture);
  await source.sql.query(`
    INSERT INTO plain (id, note, n) VALUES (1, NULL, 1), (7, '', NULL); UPDATE plain SET n = 2 WHERE id = 1; UPDATE plain SET id = 2 WHERE id = 1;
    DELETE FROM plain; REPLACE INTO plain (id, note) VALUES (9, 'a'); REPLACE INTO plain (id, note) VALUES (9, 'b');
    INSERT INTO plain (id) VALUES (9) ON DUPLICATE KEY UPDATE note = 'c';
    INSERT INTO \`odd 'name\` VALUES ('k,''-', 7, NULL); UPDATE \`odd 'name\` SET \`a,b\` = 'l'; DELETE FROM \`odd 'name\``);
  const [plain, odd] = maps;
  expect(changesOf(await readAll(source, stream))).toEqual([
    { kind: 'insert', map: plain, values: ['1', null, '1'] },
    { kind: 'insert', map: plain, values: ['7', '', null] },
    { kind: 'update', map: plain, values: ['1', null, '2'], oldKey: null },
    { kind: 'update', map: plain, values: ['2', null, '2'], oldKey: ['1'] },
    { kind: 'delete', map: plain, key: ['2'] },
    { kind: 'delete', map: plain, key: ['7'] },
    { kind: 'insert', map: plain, values: ['9', 'a', null] },
    { kind: 'delete', map: plain, key: ['9'] },
    { kind: 'insert', map: plain, values: ['9', 'b', null] },
    { kind: 'update', map: plain, values: ['9', 'c', null], oldKey: null },
    { kind: 'insert', map: odd, values: ["k,'-", '7', null] },
    { kind: 'update', map: odd, values: ['l', '7', null], oldKey: ['7', "k,'-"] },
    { kind: 'delete', map: odd, key: ['7', 'l'] },
  ]);
});

test.for(['+00:00', '-07:30'])(
  'every type reads the same from the change log as from a query: time_zone = %s',
  async (zone) => {
    const source = await openSource(everyTypeTable('every_type', server.isMaria));
    const map = await source.map('every_type');
    const stream = await source.stream([map], await source.prepare([map]));
    const writer = await source.sql.connect();
    await writer.query("SET sql_mode = '', NAMES utf8mb4");
    await writer.query(`SET time_zone = '${zone}'`);
    for (const sql of everyTypeInserts('every_type', server.isMaria)) await writer.query(sql);
    const changes = changesOf(await readAll(source, stream));
    expect(changes.length).toBeGreaterThan(4);
    expect(insertedRows(changes)).toEqual(await readCanonicalRows(source.pool, map));
  },
);

test('capture begins for all kinds of changes of a relation at once: no row is captured without what came after', async () => {
  const names = ['t0', 't1', 't2', 't3', 't4', 't5'];
  const source = await openSource(
    names
      .map((name) => `CREATE TABLE ${name} (id bigint AUTO_INCREMENT PRIMARY KEY, q int NOT NULL);`)
      .join('\n'),
  );
  const maps = await Promise.all(names.map((name) => source.map(name)));
  let isOver = false;
  const writers = names.map(async (name) => {
    const session = await source.sql.connect();
    while (!isOver) {
      const [made] = await session.query(`INSERT INTO ${name} (q) VALUES (1)`);
      await session.query(`UPDATE ${name} SET q = 2 WHERE id = ?`, [(made as { insertId: number }).insertId]);
    }
  });
  const capture = await source.prepare(maps);
  isOver = true;
  await Promise.all(writers);
  const last = new Map<string, unknown>();
  for (const change of changesOf(await readAll(source, await source.stream(maps, capture))))
    if (change.kind === 'insert' || change.kind === 'update')
      last.set(`${change.map.source} ${String(change.values[0])}`, change.values[1]);
  expect(last.size).toBeGreaterThan(0);
  expect([...last].filter(([, q]) => q !== '2')).toEqual([]);
});

test("what dbps itself has written is not captured, other services' markers are not handed out", async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  await source.pool.query(`INSERT INTO \`${source.sql.name}\`.t VALUES (1)`);
  await source.sql.query("INSERT INTO dbps.barrier (service, nonce) VALUES ('other', 'n')");
  await source.sql.query('INSERT INTO t VALUES (2)');
  const transactions = await readAll(source, stream);
  expect(idsOf(changesOf(transactions))).toEqual([2]);
  expect(transactions.flatMap(({ barriers }) => barriers)).toHaveLength(1);
});

test('what the other side has is purged, and numbers that were rolled back do not stay open', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  const writer = await source.sql.connect();
  for (let i = 1; i <= 10; i++) {
    await writer.query(`INSERT INTO t VALUES (${i})`);
    await writer.query(`BEGIN; INSERT INTO t VALUES (${100 + i}); ROLLBACK`);
  }
  void (async () => {
    for await (const { end, last } of stream) if (last) stream.acknowledge(end);
  })().catch(() => undefined);
  await expect
    .poll(async () => (await source.sql.query(`SELECT id FROM ${source.log}`)).length, { timeout: 20_000 })
    .toBe(0);
  await expect.poll(() => stream.head, { timeout: 20_000 }).toMatch(/=1-\d+$/);
});

test('a trigger that was taken away or made anew, and a relation that has changed, end capture for good', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY, n int)');
  const maps = [await source.map('t')];
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
  await (await source.stream(maps, capture)).close();

  const [trigger] = await source.sql.query(
    "SELECT trigger_name AS name FROM information_schema.triggers WHERE trigger_schema = ? AND event_manipulation = 'DELETE'",
    [source.sql.name],
  );
  await source.sql.query(`DROP TRIGGER \`${String(trigger?.['name'])}\``);
  expect(await source.changes.status(STREAM)).toMatchObject({ isLost: true });
  await expect(source.stream(maps, capture)).rejects.toMatchObject({ code: 'DBPS_E351' });
  await expect(source.prepare(maps)).rejects.toMatchObject({ code: 'DBPS_E351' });
});

test('a session that is lost ends the stream with what may pass', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const capture = await source.prepare(maps);
  const stream = await source.stream(maps, capture);
  await source.sql.query('INSERT INTO t VALUES (1)');
  await readAll(source, stream);
  const successor = await source.stream(maps, capture);
  await expect(readAll(source, stream)).rejects.toMatchObject({ code: 'DBPS_E430', family: 'database' });
  expect(idsOf(changesOf(await readAll(source, successor)))).toEqual([1]);
});

test('where the database stands is reached when a stream has read what is there of its own', async () => {
  const source = await openSource('CREATE TABLE t (id int PRIMARY KEY)');
  const maps = [await source.map('t')];
  const stream = await source.stream(maps, await source.prepare(maps));
  const before = await source.changes.currentPosition();
  expect(source.changes.reached(stream.head, before)).toBe(true);
  await source.sql.query('INSERT INTO t VALUES (1), (2)');
  const after = await source.changes.currentPosition();
  expect(source.changes.reached(stream.head, after)).toBe(false);
  const read = await readAll(source, stream);
  expect(source.changes.reached(stream.head, after)).toBe(true);
  // What was received and purged has not been applied for that: who asks later is told of it still.
  stream.acknowledge(read.at(-1)?.end ?? '');
  void (async () => {
    for await (const _ of stream);
  })().catch(() => undefined);
  await expect
    .poll(async () => (await source.sql.query(`SELECT id FROM ${source.log}`)).length, { timeout: 20_000 })
    .toBe(0);
  const purged = await source.changes.currentPosition();
  expect(source.changes.reached(before, purged)).toBe(false);
  expect(source.changes.reached(after, purged)).toBe(true);
  expect([purged, before, after].toSorted()).toEqual([before, after, purged]);
});
