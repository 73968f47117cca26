/** What the sink does to a real database with changes written by hand: types, collisions, marks, sets of keys. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  UNCHANGED,
  type Change,
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
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { OWNER } from '../support/moving.js';
import { IDENTITY } from '../support/mysql-copying.js';
import { mysqlMapOf } from '../support/mysql-moving.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;
const OPTIONS = { applicationName: 'dbps test' };

let server: MysqlTestServer;
let isMariadb = false;
/** For what only MariaDB has. */
const mariadb = (sql: string) => (isMariadb ? sql : '');
let sql: MysqlTestDatabase;
let pool: MysqlPool;
let control: MysqlControl;
let sinks: Sink[] = [];
let position = 1;

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
  position = 1;
});

afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.close()));
  sinks = [];
  const epoch = await control.readEpoch(OWNER.service);
  await control.remove({ ...OWNER, epoch: epoch ?? 0 });
  await pool.close();
  await sql.drop();
});

async function openSink(
  maps: readonly RelationMap[],
  owner = OWNER as { service: string; epoch: number },
): Promise<Sink> {
  const sink = await new MysqlSinkFactory(pool, sql.target, OPTIONS).open({ stream: STREAM, owner, maps });
  sinks.push(sink);
  await sink.begin({ start: 'p1', identity: IDENTITY, created: true });
  return sink;
}

const mapOf = (table: string, key?: readonly string[]) => mysqlMapOf(sql, sql, table, key);

const transaction = (changes: readonly Change[], last = true): ChangeTransaction => ({
  commit: `p${++position}`,
  end: `p${++position}`,
  committedAtMs: 0,
  isOwn: false,
  changes,
  barriers: [],
  last,
  bytes: 0,
});

async function apply(sink: Sink, changes: readonly Change[], isConverged = true) {
  const only = transaction(changes);
  return sink.apply({ transactions: [only], end: only.end, isConverged });
}

const insert = (map: RelationMap, ...values: Value[]): Change => ({ kind: 'insert', map, values });
const update = (map: RelationMap, ...values: Value[]): Change => ({
  kind: 'update',
  map,
  values,
  oldKey: null,
});
const rekey = (map: RelationMap, oldKey: string, ...values: Value[]): Change => ({
  kind: 'update',
  map,
  values,
  oldKey: [oldKey],
});
const remove = (map: RelationMap, ...key: string[]): Change => ({ kind: 'delete', map, key });
const truncate = (map: RelationMap): Change => ({ kind: 'truncate', maps: [map], leaves: [map.source] });

/** Rows as `a,b,c`, in order. */
async function lines(table: string): Promise<string[]> {
  const rows = await sql.query(`SELECT * FROM ${table}`);
  return rows.map((row) => Object.values(row).map(String).join()).sort();
}

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

test('H11: swaps and chains of unique values are applied in source order when their net form collides', async () => {
  await sql.query(
    `CREATE TABLE t (id int PRIMARY KEY, u varchar(9) UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
  );
  const map = await mapOf('t');
  const sink = await openSink([map]);
  const swap = await apply(sink, [update(map, '1', 'tmp'), update(map, '2', 'a'), update(map, '1', 'b')]);
  expect(swap.wasUnmerged).toBe(true);
  expect(await lines('t')).toEqual(['1,b', '2,a']);
  await apply(sink, [update(map, '1', 'c'), insert(map, '3', 'b'), remove(map, '2'), insert(map, '4', 'a')]);
  expect(await lines('t')).toEqual(['1,c', '3,b', '4,a']);
});

describe('a row is never written over another that holds one of its unique values', () => {
  test.each([
    ['the primary key identifies', 'id int PRIMARY KEY, u varchar(9) UNIQUE, v int'],
    [
      'another unique key identifies',
      'id int NOT NULL, u varchar(9) NOT NULL PRIMARY KEY, v int, UNIQUE KEY k (id)',
    ],
    [
      'no primary key, the other unique key is older',
      'id int NOT NULL, u varchar(9) NOT NULL, v int, UNIQUE KEY u (u), UNIQUE KEY k (id)',
    ],
  ])('%s', async (_, columns) => {
    await sql.query(`CREATE TABLE t (${columns}); INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0)`);
    const map = await mapOf('t');
    const sink = await openSink([map]);
    for (const isConverged of [true, false]) {
      await expect(apply(sink, [insert(map, '3', 'a', '9')], isConverged)).rejects.toThrow(/Duplicate/);
      await expect(apply(sink, [update(map, '2', 'a', '9')], isConverged)).rejects.toThrow(/Duplicate/);
      expect(await lines('t')).toEqual(['1,a,0', '2,b,0']);
    }
    await apply(sink, [update(map, '2', 'b', '5'), update(map, '1', 'A', '5')]);
    expect(await lines('t')).toEqual(['1,A,5', '2,b,5']);
  });

  // The other unique keys are made once both sides have converged, under a sink that has applied already and goes on.
  test('nor over one whose unique key was made while the sink stood', async () => {
    await sql.query(
      `CREATE TABLE t (id int PRIMARY KEY, u varchar(9), v int); INSERT INTO t VALUES (1, 'a', 0)`,
    );
    const map = await mapOf('t');
    const sink = await openSink([map]);
    await apply(sink, [insert(map, '2', 'b', '0')], false);
    await apply(sink, [insert(map, '4', 'd', '0')]);
    await sql.query('ALTER TABLE t ADD UNIQUE KEY u (u)');

    await expect(apply(sink, [insert(map, '3', 'a', '9')])).rejects.toThrow(/Duplicate/);
    expect(await lines('t')).toEqual(['1,a,0', '2,b,0', '4,d,0']);
    await apply(sink, [update(map, '1', 't', '1'), update(map, '2', 'a', '1'), update(map, '1', 'b', '1')]);
    await apply(sink, [insert(map, '3', 't', '2'), update(map, '4', 'e', '2'), update(map, '3', 'd', '3')]);
    await apply(sink, [update(map, '3', 'f', '4')]);
    await apply(sink, [remove(map, '4'), insert(map, '4', 'd', '5')]);
    expect(await lines('t')).toEqual(['1,b,1', '2,a,1', '3,f,4', '4,d,5']);
  });
});

test('keys that differ in case only are one row to the server', async () => {
  await sql.query(
    `CREATE TABLE t (id varchar(9) PRIMARY KEY, v int); INSERT INTO t VALUES ('a', 1), ('b', 1)`,
  );
  const map = await mapOf('t');
  const sink = await openSink([map]);
  await apply(sink, [rekey(map, 'a', 'A', '2')]);
  await apply(sink, [remove(map, 'b'), insert(map, 'B', '3')]);
  expect(await lines('t')).toEqual(['A,2', 'B,3']);
});

test('H3: unchanged out-of-line values stay; until convergence a row that is not there is put into the heal set', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, big text NOT NULL, n int, at timestamp NOT NULL DEFAULT '2001-01-01' ON UPDATE CURRENT_TIMESTAMP);
    INSERT INTO t (id, big, n) VALUES (1, 'big', 1), (5, 'five', 1)`);
  const whole = await mapOf('t');
  // The column that the server sets by itself is not in the log either.
  const map = { ...whole, columns: whole.columns };
  const sink = await openSink([map]);
  await apply(
    sink,
    [update(map, '1', UNCHANGED, '2', UNCHANGED), update(map, '9', UNCHANGED, '2', UNCHANGED)],
    false,
  );
  expect(await lines('t')).toEqual(['1,big,2,2001-01-01 00:00:00', '5,five,1,2001-01-01 00:00:00']);
  expect(await sink.heal.take(map, 10)).toEqual([['9']]);
  // A key change without its big value: neither row can be trusted. With it: the row is known.
  const at = '2002-02-02 00:00:00';
  await apply(sink, [rekey(map, '1', '2', UNCHANGED, '3', at), rekey(map, '5', '6', 'six', '3', at)], false);
  expect(await lines('t')).toEqual([`6,six,3,${at}`]);
  expect(await sink.heal.take(map, 10)).toEqual([['2'], ['9']]);
  expect(await sink.heal.size()).toBe(2);
  await sink.heal.remove(map, [['2']]);
  expect(await sink.heal.take(map, 10)).toEqual([['9']]);
});

test('until convergence whole rows are written whether they are there or not, and deletes may find nothing', async () => {
  await sql.query(`CREATE TABLE one (id int PRIMARY KEY, v int); CREATE TABLE two (id int PRIMARY KEY, u int UNIQUE, v int);
    INSERT INTO one VALUES (1, 9); INSERT INTO two VALUES (1, 1, 9)`);
  const [one, two] = [await mapOf('one'), await mapOf('two')];
  const sink = await openSink([one, two]);
  await apply(
    sink,
    [
      insert(one, '1', '1'),
      update(one, '2', '2'),
      remove(one, '3'),
      insert(two, '1', '1', '1'),
      update(two, '2', '2', '2'),
      remove(two, '3'),
    ],
    false,
  );
  expect(await lines('one')).toEqual(['1,1', '2,2']);
  expect(await lines('two')).toEqual(['1,1,1', '2,2,2']);
  expect(await sink.heal.size()).toBe(0);
});

test('after convergence a row that is missing stops the stream, and nothing of the batch stays', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, big text, n int)`);
  const map = await mapOf('t');
  const sink = await openSink([map]);
  const before = await sink.checkpoint();
  for (const missing of [update(map, '2', UNCHANGED, '1'), update(map, '2', 'x', '1')])
    await expect(apply(sink, [insert(map, '1', 'x', '1'), missing])).rejects.toMatchObject({
      code: 'DBPS_E357',
      message: expect.stringContaining('id = 2') as string,
    });
  await expect(apply(sink, [rekey(map, '3', '4', 'x', '1')])).rejects.toMatchObject({ code: 'DBPS_E357' });
  expect(await lines('t')).toEqual([]);
  expect(await sink.checkpoint()).toEqual(before);
  // The session is as good as before; an update that changes nothing has found its row.
  await apply(sink, [insert(map, '1', 'x', '1')]);
  await apply(sink, [update(map, '1', 'x', '1')]);
  await apply(sink, [rekey(map, '1', '1', 'x', '1')]);
  expect(await lines('t')).toEqual(['1,x,1']);
});

test('H7: a former owner’s batch writes nothing, before and after its successor has begun', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY)`);
  const map = await mapOf('t');
  const old = await openSink([map]);
  await apply(old, [insert(map, '1')]);
  const successor = { ...OWNER, epoch: 2 };
  await control.raiseEpoch(successor);
  await expect(apply(old, [insert(map, '2')])).rejects.toMatchObject({ code: 'DBPS_E301' });
  const fresh = await openSink([map], successor);
  await apply(fresh, [insert(map, '3')]);
  await expect(apply(old, [insert(map, '4')])).rejects.toMatchObject({ code: 'DBPS_E301' });
  await expect(old.spool([transaction([insert(map, '4')])], 'p99')).rejects.toMatchObject({
    code: 'DBPS_E301',
  });
  expect(await lines('t')).toEqual(['1', '3']);
});

test('H7: a checkpoint that somebody else has moved stops the batch', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY)`);
  const map = await mapOf('t');
  const [one, two] = [await openSink([map]), await openSink([map])];
  await apply(one, [insert(map, '1')]);
  await apply(two, [insert(map, '2')]);
  await expect(apply(one, [insert(map, '3')])).rejects.toMatchObject({ code: 'DBPS_E356' });
  expect(await lines('t')).toEqual(['1', '2']);
});

test('H9: each of its transactions begins with a change of the checkpoint', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int)`);
  const map = await mapOf('t');
  const reverse = { service: OWNER.service, direction: 'reverse' } as const;
  const changes = new MysqlChangeSource(pool, sql.target, 'dbps test');
  const capture = await changes.prepare(reverse, [map], OWNER);
  const sink = await openSink([map]);
  await apply(sink, [insert(map, '1', '1'), insert(map, '2', '1')]);
  await apply(sink, [rekey(map, '1', '3', '1'), truncate(map)]);
  await sink.spool([transaction([insert(map, '5', '5')])], 'p80');
  await sink.advance('p90');
  await sink.resetRelation(map);
  await sql.query('INSERT INTO t VALUES (9, 9)');
  const stream = await changes.stream({
    stream: reverse,
    maps: [map],
    checkpoint: {
      ...reverse,
      epoch: 1,
      applied: capture.start,
      received: capture.start,
      source: capture.identity,
      updatedAt: '',
    },
    signal: new AbortController().signal,
  });
  const foreign: Change[] = [];
  for await (const read of stream) {
    if (!read.isOwn) foreign.push(...read.changes);
    if (!read.isOwn && read.changes.length > 0) break;
  }
  await stream.close();
  await changes.teardown(reverse, OWNER);
  expect(foreign).toEqual([insert(map, '9', '9')]);
});

test('H15: keys that changed are stored with the rows, old and new, and handed out once each', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (5, 0)`);
  const map = await mapOf('t');
  const sink = await openSink([map]);
  await apply(sink, [insert(map, '1', '1'), update(map, '1', '2'), insert(map, '2', '1'), remove(map, '2')]);
  await apply(sink, [rekey(map, '5', '6', '1'), update(map, '1', '3')]);
  const reopened = await openSink([map]);
  expect((await reopened.changed.take(map, 100)).toSorted()).toEqual([['1'], ['2'], ['5'], ['6']]);
  expect(await reopened.changed.size()).toBe(5);
  expect(await control.readKeySets(OWNER.service, 'forward')).toEqual({ heal: 0, changed: 5 });
  expect((await control.readChangedKeys(STREAM, map, 100)).toSorted()).toEqual([['1'], ['2'], ['5'], ['6']]);
  // Changed again after it was taken: it is still to be verified.
  await apply(sink, [insert(map, '2', '9'), remove(map, '6')]);
  await reopened.changed.remove(map, [['1'], ['2'], ['5'], ['6']]);
  expect((await reopened.changed.take(map, 100)).toSorted()).toEqual([['2'], ['6']]);
  await reopened.changed.remove(map, [['2']]);
  expect(await reopened.changed.take(map, 100)).toEqual([['6']]);
  await apply(sink, [truncate(map)]);
  expect(await reopened.changed.take(map, 100)).toEqual([['6'], []]);
  // Rolled back with the batch.
  await expect(apply(sink, [rekey(map, '77', '78', '1')])).rejects.toThrow();
  expect(await reopened.changed.size()).toBe(2);
});

test('spooled changes come back in order and leave with the batch that applies them', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int)`);
  const map = await mapOf('t');
  const sink = await openSink([map]);
  const [a, b, half] = [
    transaction([insert(map, '1', '1')]),
    transaction([update(map, '1', '2')]),
    transaction([insert(map, '2', '1')], false),
  ];
  await sink.spool([a, b], b.end);
  await sink.spool([half], b.end);
  expect(await sink.checkpoint()).toMatchObject({ applied: 'p1', received: b.end });
  // The end of the last transaction never came: it is received again from its beginning.
  const reopened = await openSink([map]);
  const segments = [];
  for await (const segment of reopened.readSpool()) segments.push(segment);
  expect(segments.map((segment) => segment.transactions)).toEqual([[a, b]]);
  await reopened.apply({
    transactions: [a, b],
    end: b.end,
    spooled: { through: segments[0]?.id ?? '' },
    isConverged: false,
  });
  expect(await reopened.checkpoint()).toMatchObject({ applied: b.end, received: b.end });
  for await (const segment of reopened.readSpool()) expect(segment).toBe('nothing left');
  expect(await lines('t')).toEqual(['1,2']);
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

test('a transaction in pieces is one on the target, however large', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int)`);
  const map = await mapOf('t');
  const sink = await openSink([map]);
  const other = await sql.connect();
  let seen = -1;
  const pieces = async function* () {
    for (let piece = 0; piece < 6; piece++) {
      const changes = Array.from({ length: 5_000 }, (_, i) => insert(map, String(piece * 5_000 + i), '1'));
      yield transaction(changes, piece === 5);
      const [rows] = await other.query('SELECT COUNT(*) AS n FROM t');
      seen = Number((rows as { n: number }[])[0]?.n);
    }
  };
  const { changes } = await sink.apply({ transactions: pieces(), end: null, isConverged: true });
  expect(changes).toBe(30_000);
  expect(seen).toBe(0);
  expect(await sql.query('SELECT COUNT(*) AS n FROM t')).toEqual([{ n: '30000' }]);
  expect(await sink.checkpoint()).toMatchObject({ applied: `p${position}` });
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

test('any history of a table: what is applied in batches is what happened', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, u varchar(3) UNIQUE, v int)`);
  const map = await mapOf('t');
  const sink = await openSink([map]);
  const step = fc.record({
    kind: fc.constantFrom('insert', 'update', 'delete', 'rekey', 'truncate', 'insert', 'update'),
    id: fc.integer({ min: 1, max: 6 }),
    other: fc.integer({ min: 1, max: 6 }),
    u: fc.option(fc.constantFrom('a', 'b', 'c', 'd')),
    v: fc.integer({ min: 0, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 6 }), async (batches) => {
      await apply(sink, [truncate(map)]);
      const rows = new Map<number, { u: string | null; v: number }>();
      const isTaken = (u: string | null, but: number) =>
        u !== null && [...rows].some(([id, row]) => id !== but && row.u === u);
      for (const steps of batches) {
        const changes: Change[] = [];
        for (const { kind, id, other, u, v } of steps) {
          const row = rows.get(id);
          if (kind === 'insert' && row === undefined && !isTaken(u, id)) {
            rows.set(id, { u, v });
            changes.push(insert(map, String(id), u, String(v)));
          } else if (kind === 'update' && row !== undefined && !isTaken(u, id)) {
            rows.set(id, { u, v });
            changes.push(update(map, String(id), u, String(v)));
          } else if (kind === 'delete' && row !== undefined) {
            rows.delete(id);
            changes.push(remove(map, String(id)));
          } else if (kind === 'rekey' && row !== undefined && !rows.has(other)) {
            rows.delete(id);
            rows.set(other, row);
            changes.push(rekey(map, String(id), String(other), row.u, String(row.v)));
          } else if (kind === 'truncate' && v === 0) {
            rows.clear();
            changes.push(truncate(map));
          }
        }
        await apply(sink, changes);
      }
      expect(await lines('t')).toEqual([...rows].map(([id, { u, v }]) => `${id},${u},${v}`).sort());
    }),
    { numRuns: 40 },
  );
});
