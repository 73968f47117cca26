/** What the sink does to a real database with changes written by hand: types, collisions, marks, sets of keys. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  UNCHANGED,
  type ChangeTransaction,
  type RelationMap,
  type Sink,
  type Value,
} from '../../src/engines/engine.js';
import { MysqlChangeSource } from '../../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { MysqlSinkFactory } from '../../src/engines/mysql/mysql-sink.js';
import { MysqlSnapshot } from '../../src/engines/mysql/mysql-snapshot.js';
import { insert, rekey, remove, truncate, update } from '../support/changes.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { OWNER } from '../support/moving.js';
import { IDENTITY } from '../support/mysql-copying.js';
import { mysqlMapOf } from '../support/mysql-moving.js';
import { sinkSuite, sinkTools, STREAM, type SinkTraits, type SinkWorld } from './suites/sink.js';

const OPTIONS = { applicationName: 'dbps test' };

let server: MysqlTestServer;
let isMariadb = false;
/** For what only MariaDB has. */
const mariadb = (sql: string) => (isMariadb ? sql : '');
let sql: MysqlTestDatabase;
let pool: MysqlPool;
let control: MysqlControl;
let sinks: Sink[] = [];

beforeAll(async () => {
  server = await startMysqlServer();
  const [row] = await server.query('SELECT VERSION() AS version');
  isMariadb = /mariadb/i.test(String(row?.['version']));
});
afterAll(async () => {
  await server.stop();
});

beforeEach(async () => {
  sql = await server.createDatabase();
  pool = await MysqlPool.open(sql.target, OPTIONS);
  control = new MysqlControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
});

afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.close()));
  sinks = [];
  const epoch = await control.readEpoch(OWNER.service);
  await control.remove({ ...OWNER, epoch: epoch ?? 0 });
  await pool.close();
  await sql.drop();
});

const mapOf = (table: string, key?: readonly string[]) => mysqlMapOf(sql, sql, table, key);

/** Rows as `a,b,c`, in order. */
async function lines(table: string): Promise<string[]> {
  const rows = await sql.query(`SELECT * FROM ${table}`);
  return rows.map((row) => Object.values(row).map(String).join()).sort();
}

const world = (): SinkWorld => ({
  query: (statements) => sql.query(statements),
  lines,
  mapOf,
  openSink: async (maps, owner) => {
    const sink = await new MysqlSinkFactory(pool, sql.target, OPTIONS).open({ stream: STREAM, owner, maps });
    sinks.push(sink);
    return sink;
  },
  control,
  changes: new MysqlChangeSource(pool, sql.target, 'dbps test'),
});
const TRAITS: SinkTraits = { position: (n) => `p${n}`, identity: IDENTITY };

sinkSuite(world, TRAITS);

const { openSink, apply, transaction } = sinkTools(world, TRAITS);

/** Everything in a table as the snapshot reads it: canonical text. */
async function canonical(map: RelationMap): Promise<(readonly Value[])[]> {
  const snapshot = new MysqlSnapshot(sql.target, OPTIONS, { currentPosition: async () => 'p' });
  const reader = await snapshot.readChunk(
    map,
    { relation: map.source, index: 0, from: null, to: null, estimatedRows: 0 },
    'rows',
  );
  const rows: (readonly Value[])[] = [];
  for await (const batch of reader.data) rows.push(...(batch as readonly (readonly Value[])[]));
  await reader.finish();
  await snapshot.close();
  return rows;
}

test('values of every kind arrive as they were, in a batch and one by one', async () => {
  await sql.query(`SET SESSION sql_mode = '', time_zone = '+00:00';
    CREATE TABLE original (id bigint unsigned PRIMARY KEY, i tinyint, z int(6) unsigned zerofill, n decimal(65,30), f float, d double, b bit(9), b64 bit(64),
      l varchar(20) CHARACTER SET latin1, u varchar(20) CHARACTER SET utf16, t text, bn binary(4), vb varbinary(300), j json,
      e enum('a','b, c','it''s'), s set('x','y'), y year, dt date, d6 datetime(6), ts timestamp(3) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(3),
      tm time(2), g geometry${mariadb(', uu uuid, ip inet6')});
    INSERT INTO original VALUES
      (18446744073709551615, -128, 5, -1.000000000000000000000000000001, 0.1, 5e-324, b'100000001', ~0, 'é€', '😀', 'tab\\t\\\\ nl\\n nul\\0 ''"', x'0100', x'5c00ff', '{"a":  1}',
       'it''s', 'x,y', 2024, '2020-00-00', '2020-02-31 00:00:00.000001', '1970-01-01 00:00:01.001', '-838:59:59.99', ST_GeomFromText('POINT(1 2)', 4326)${mariadb(", UUID(), '::1'")}),
      (0, 127, 0, 0, -3.4028235e38, 1e21, 0, 0, '', '', '', '', '', '[]', 'a', '', '0000', '0000-00-00', '0000-00-00 00:00:00', '0000-00-00', 0, POINT(0, 0)${mariadb(", '00000000-0000-0000-0000-000000000000', '::'")}),
      (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL${mariadb(', NULL, NULL')});
    CREATE TABLE t LIKE original; SET SESSION sql_mode = DEFAULT`);
  const map = await mapOf('t');
  const original = { ...map, source: map.source.replace(/t$/, 'original') };
  const rows = await canonical(original);
  expect(rows).toHaveLength(3);
  const sink = await openSink([map]);
  await apply(
    sink,
    rows.map((row) => insert(map, ...row)),
  );
  expect(await canonical(map)).toEqual(rows);
  await sql.query('UPDATE t SET l = NULL, n = 1, b = NULL, g = NULL');
  for (const row of rows) await apply(sink, [update(map, ...row)]);
  expect(await canonical(map)).toEqual(rows);
  // Byte for byte: not only what the text says.
  const [same] = await sql.query(
    `SELECT COUNT(*) AS n FROM t JOIN original o USING (id) WHERE t.g <=> o.g AND t.l <=> o.l AND HEX(t.vb) <=> HEX(o.vb) AND t.f <=> o.f`,
  );
  expect(same?.['n']).toBe('3');
});

test('names as odd as they come, keys of several columns, generated columns, rows that fill many statements', async () => {
  await sql.query(`
    CREATE TABLE \`Order; drop--\` (\`Sel\`\`ect\` varchar(9) PRIMARY KEY, \`b'c\` int, twice int AS (\`b'c\` * 2) STORED);
    CREATE TABLE wide (a int, b varchar(20), c date, v text, PRIMARY KEY (b, c, a))`);
  const odd = await mapOf('Order; drop--', ['Sel`ect']);
  const wide = await mapOf('wide', ['b', 'c', 'a']);
  const sink = await openSink([odd, wide]);
  const many = Array.from({ length: 3_000 }, (_, i) => [
    String(i),
    `k'${i % 7}`,
    '2020-01-01',
    'x'.repeat(300),
  ]);
  await apply(sink, [
    insert(odd, 'Key', '1'),
    insert(odd, "o'\\", '2'),
    ...many.map((row) => insert(wide, ...row)),
  ]);
  await apply(sink, [
    update(odd, 'Key', '5'),
    remove(odd, "o'\\"),
    ...many.slice(0, 1_000).map((row) => update(wide, ...row.slice(0, 3), 'y')),
  ]);
  await apply(
    sink,
    many.slice(500, 2_000).map((row) => remove(wide, row[1]!, row[2]!, row[0]!)),
  );
  expect(await lines('`Order; drop--`')).toEqual(['Key,5,10']);
  expect(await sql.query("SELECT COUNT(*) AS n, SUM(v = 'y') AS y FROM wide")).toEqual([
    { n: '1500', y: '500' },
  ]);
  await apply(sink, [truncate(wide)]);
  expect(await lines('wide')).toEqual([]);
});

test('values that the source took in one statement are taken here too', async () => {
  await sql.query(
    `CREATE TABLE t (id int PRIMARY KEY, b longblob, l longtext CHARACTER SET latin1, n int, bits bit(9))`,
  );
  const map = await mapOf('t');
  const sink = await openSink([map]);
  // As literals these would be 20 MB, where the server takes 16 at once.
  const row = (id: string, fill: string) => [
    id,
    `\\x${fill.repeat(9_000_000)}`,
    'é'.repeat(1_000_000),
    null,
    '100000001',
  ];
  await apply(sink, [
    insert(map, ...row('1', '5c')),
    insert(map, '2', null, null, '1', null),
    insert(map, ...row('3', '09')),
  ]);
  await apply(sink, [update(map, ...row('1', '27')), update(map, '2', null, 'x', '1', null)]);
  await apply(sink, [rekey(map, '3', '4', ...row('4', '0a').slice(1))]);
  expect(
    await sql.query(
      'SELECT id, CONCAT(LENGTH(b)) AS l, HEX(LEFT(b, 2)) AS b, CONCAT(CHAR_LENGTH(l)) AS c, BIN(bits) AS bits FROM t ORDER BY id',
    ),
  ).toEqual([
    { id: 1, l: '9000000', b: '2727', c: '1000000', bits: '100000001' },
    { id: 2, l: null, b: null, c: '1', bits: null },
    { id: 4, l: '9000000', b: '0A0A', c: '1000000', bits: '100000001' },
  ]);
});

test('keys that differ in case only are one row to the server', async () => {
  await sql.query(
    `CREATE TABLE t (id varchar(9) PRIMARY KEY, v int); INSERT INTO t VALUES ('a', 1), ('b', 1);
     CREATE TABLE other (id int PRIMARY KEY, u varchar(9) UNIQUE); INSERT INTO other VALUES (1, 'a')`,
  );
  const [map, other] = [await mapOf('t'), await mapOf('other')];
  const sink = await openSink([map, other]);
  await apply(sink, [update(other, '1', 'A')]);
  expect(await lines('other')).toEqual(['1,A']);
  await apply(sink, [rekey(map, 'a', 'A', '2')]);
  await apply(sink, [remove(map, 'b'), insert(map, 'B', '3')]);
  expect(await lines('t')).toEqual(['A,2', 'B,3']);
});

test('H3: a column that the server would set by itself stays where the log does not have it', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int, at timestamp NOT NULL DEFAULT '2001-01-01' ON UPDATE CURRENT_TIMESTAMP);
    INSERT INTO t (id, n) VALUES (1, 1)`);
  const map = await mapOf('t');
  const sink = await openSink([map]);
  await apply(sink, [update(map, '1', '2', UNCHANGED)], false);
  expect(await lines('t')).toEqual(['1,2,2001-01-01 00:00:00']);
});

test('a spooled transaction larger than one statement may be comes back whole', async () => {
  const [before] = await server.query('SELECT @@GLOBAL.max_allowed_packet AS packet');
  const packet = Number(before?.['packet']);
  await server.query('SET GLOBAL max_allowed_packet = 1048576');
  try {
    await pool.close();
    pool = await MysqlPool.open(sql.target, OPTIONS);
    control = new MysqlControl(pool);
    await sql.query(`CREATE TABLE t (id int PRIMARY KEY, v longblob)`);
    const map = await mapOf('t');
    const sink = await openSink([map]);
    const noise = (i: number) =>
      `\\x${Buffer.from(Array.from({ length: 200_000 }, (_, k) => (k * k * 31 + i * 7 + (k >> 3)) & 255)).toString('hex')}`;
    const large = transaction(Array.from({ length: 20 }, (_, i) => insert(map, String(i), noise(i))));
    const small = transaction([insert(map, '77', '\\x00')]);
    await sink.spool([large, small], small.end);
    const pieces: ChangeTransaction[] = [];
    let through = '';
    for await (const segment of sink.readSpool()) {
      pieces.push(...segment.transactions);
      through = segment.id;
    }
    expect(pieces.length).toBeGreaterThanOrEqual(2);
    expect(pieces.filter((piece) => piece.last).map((piece) => piece.end)).toEqual([large.end, small.end]);
    await sink.apply({
      transactions: (async function* () {
        yield* pieces;
      })(),
      end: null,
      spooled: { through },
      isConverged: false,
    });
    expect(await sql.query('SELECT COUNT(*) AS n, CONCAT(MAX(LENGTH(v))) AS l FROM t')).toEqual([
      { n: '21', l: '200000' },
    ]);
    expect(await sink.checkpoint()).toMatchObject({ applied: small.end });
  } finally {
    await server.query(`SET GLOBAL max_allowed_packet = ${packet}`);
  }
});

test('a deadlock takes the batch back, and it is applied again', async () => {
  await sql.query(
    `CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0); INSERT INTO t VALUES ${Array.from({ length: 500 }, (_, i) => `(${1_000 + i}, 0)`).join()}`,
  );
  const map = await mapOf('t');
  const sink = await openSink([map]);
  const rival = await sql.connect();
  // The rival has more to lose, so the server takes the batch back.
  await rival.query(
    'START TRANSACTION; UPDATE t SET n = 7 WHERE id >= 1000; UPDATE t SET n = 7 WHERE id = 2',
  );
  const applying = apply(sink, [update(map, '1', '1'), rekey(map, '2', '3', '1')]);
  await expect
    .poll(async () => String((await server.query('SHOW ENGINE INNODB STATUS'))[0]?.['Status']))
    .toContain('LOCK WAIT');
  await rival.query('UPDATE t SET n = 7 WHERE id = 1');
  await rival.query('ROLLBACK');
  await applying;
  expect((await lines('t')).filter((line) => line.length < 5)).toEqual(['1,1', '3,1']);
});

test('foreign keys and zeros in AUTO_INCREMENT columns are written as they come', async () => {
  await sql.query(`CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY);
    CREATE TABLE child (id int AUTO_INCREMENT PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)`);
  const [parent, child] = [await mapOf('parent'), await mapOf('child')];
  const sink = await openSink([parent, child]);
  await apply(sink, [
    insert(child, '0', '5'),
    insert(child, '1', '5'),
    insert(parent, '5'),
    insert(parent, '0'),
  ]);
  // What the source's server did by itself arrives by the log: here it must not happen once more.
  await apply(sink, [remove(parent, '5'), remove(child, '1')]);
  expect(await lines('child')).toEqual(['0,5']);
  expect(await lines('parent')).toEqual(['0']);
});
