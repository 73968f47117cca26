/** Capture from a real binary log: what a stream says of each change, and when a start is refused. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type {
  Change,
  ChangeStream,
  ChangeTransaction,
  Checkpoint,
  PreparedCapture,
  RelationMap,
} from '../../src/engines/engine.js';
import { MysqlChangeSource } from '../../src/engines/mysql/mysql-change-source.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlControl } from '../../src/engines/mysql/mysql-control.js';
import { fromServer, readSql } from '../../src/engines/mysql/mysql-values.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlMapOf } from '../support/mysql-moving.js';
import { OWNER } from '../support/moving.js';

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

/** Everything up to the next marker row. */
async function readAll(source: Source, stream: ChangeStream): Promise<ChangeTransaction[]> {
  const nonce = `end-${Math.random()}`;
  await source.control.writeBarrier(OWNER, nonce);
  const transactions: ChangeTransaction[] = [];
  for await (const transaction of stream) {
    if (transaction.barriers.includes(nonce)) return transactions;
    transactions.push(transaction);
  }
  throw new Error('the stream ended');
}

const changesOf = (transactions: readonly ChangeTransaction[]): Change[] =>
  transactions.flatMap((transaction) => transaction.changes);

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
  const changes = changesOf(await readAll(source, stream));
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

/** Type, then values as SQL; where a column has fewer than the others: NULL. */
const EVERY_TYPE: readonly (readonly [type: string, ...values: readonly string[]])[] = [
  ['tinyint', '-128', '127', '0'],
  ['tinyint unsigned', '255', '128'],
  ['smallint', '-32768', '32767'],
  ['smallint unsigned', '65535', '0'],
  ['mediumint', '-8388608', '8388607', '-1'],
  ['mediumint unsigned', '16777215', '8388608'],
  ['int', '-2147483648', '2147483647', '-1'],
  ['int unsigned', '4294967295', '2147483648'],
  ['bigint', '-9223372036854775808', '9223372036854775807', '-1'],
  ['bigint unsigned', '18446744073709551615', '9007199254740993', '0'],
  ['int(8) unsigned zerofill', '42', '99999999'],
  ['decimal(38,19)', '-1234567890123456789.1234567890123456789', '0.0000000000000000001', '-0.5'],
  ['decimal(9,0)', '-999999999', '0', '1'],
  ['decimal(5,5)', '-0.00001', '0.99999'],
  ['decimal(20,3) unsigned', '12345678901234567.001'],
  ['decimal(65,30)', `${'9'.repeat(35)}.${'9'.repeat(30)}`, `-${'1'.repeat(35)}.5`],
  ['float', '-1.17549435e-38', '3.4028235e38', '0.1', '16777216'],
  ['double', '2.2250738585072014e-308', '-1.7976931348623157e308', '0.1', '1e21', '123456789012345680000'],
  ['bit(13)', "b'1000000000001'", "b'0'", "b'1010101010101'"],
  ['bit(64)', "b'1000000000000000000000000000000000000000000000000000000000000001'", '0'],
  ['bit', "b'1'", "b'0'"],
  ['year', '2155', '0', '1901', '1970'],
  ['date', "'9999-12-31'", "'0000-00-00'", "'1000-01-01'", "'2026-00-00'"],
  ['datetime', "'1000-01-01 23:59:59'", "'0000-00-00 00:00:00'", "'9999-12-31 00:00:00'"],
  ['datetime(1)', "'2026-01-02 03:04:05.9'", "'0000-00-00 00:00:00'"],
  ['datetime(6)', "'2026-01-02 03:04:05.000001'", "'2026-00-00 00:00:00'", "'9999-12-31 23:59:59.999999'"],
  ['timestamp NULL', "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'"],
  ['timestamp(3) NULL', "'1970-01-01 00:00:01.001'", "'2026-03-29 01:30:00.1'", "'0000-00-00 00:00:00'"],
  ['timestamp(6) NULL', "'2026-06-02 03:04:05.678901'"],
  ['time', "'-838:59:59'", "'00:00:00'", "'-00:00:01'", "'838:59:59'"],
  ['time(1)', "'-00:00:00.1'", "'-838:59:59.0'", "'10:00:00.5'", "'-10:00:00.5'"],
  ['time(3)', "'-12:34:56.789'", "'-00:00:00.001'", "'00:00:00.010'"],
  ['time(6)', "'838:59:59.999999'", "'-00:00:01.000001'", "'00:00:00.000010'", "'-00:59:00'"],
  ['char(10)', "'trail  '", "''", "'ž'", "' x'"],
  ['char(200)', "REPEAT('é', 200)", "'x'"],
  ['varchar(300)', "CONCAT(REPEAT('x', 299), '😀')", "'  '"],
  ['varchar(60)', "REPEAT('y', 60)"],
  ['varchar(30) CHARACTER SET latin1', "'naïve €ÿ'", "_latin1 x'81608d9d'"],
  ['varchar(30) CHARACTER SET cp1250', "'žluťoučký'", "''"],
  ['varchar(30) CHARACTER SET koi8r', "'мир'"],
  ['text CHARACTER SET utf8mb3', "'žů漢'"],
  ['varchar(9) CHARACTER SET ucs2', "'a漢'"],
  ['varchar(9) CHARACTER SET utf16', "'a😀'"],
  ['varchar(9) CHARACTER SET utf16le', "'b😀'"],
  ['varchar(9) CHARACTER SET utf32', "'c😀'"],
  ['varchar(9) CHARACTER SET ascii', "'plain'"],
  ['binary(8)', "x'00ff00'", "x''", "x'0102030405060708'"],
  ['varbinary(20)', "x'00ff0000'", "x''"],
  ['tinyblob', "x''", "x'00'"],
  ['longblob', "REPEAT(x'ab00', 40000)", "x''"],
  ['longtext', "'line\\nzero\\0tab\\t\\\\'", "''"],
  [`enum('new', 'it''s, "paid"', 'ž', '', '\\\\', 'a\\nb\\r')`, `'it''s, "paid"'`, "'ž'", "''", "'\\\\'", '0'],
  ["enum('a', 'b') CHARACTER SET latin1", "'b'"],
  [`enum(${Array.from({ length: 300 }, (_, i) => `'l${i}'`).join()})`, "'l0'", "'l299'"],
  ["set('x', 'y''s', 'ž')", "'x,ž'", "''", "'y''s'"],
  [`set(${Array.from({ length: 64 }, (_, i) => `'s${i}'`).join()})`, "'s0,s63'", "'s31,s32'"],
  ['json', `'{"b": [1, 2.50, null], "aa": "ž\\\\n", "10": 1e3}'`, "'[]'", `'"text"'`],
  ['point', "ST_GeomFromText('POINT(1.5 -2)', 4326)"],
  [
    'geometry',
    "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')",
    "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 3857)",
  ],
  [
    'uuid',
    "'123e4567-e89b-42d3-a456-426614174000'",
    "'00000000-0000-0000-0000-000000000000'",
    "'ffffffff-ffff-4fff-bfff-ffffffffff00'",
    "'018f4e3c-7b5a-7c3d-9e8f-0123456789ab'",
  ],
  ['inet6', "'2001:db8::1:0:0:1'", "'::'", "'::ffff:1.2.3.4'", "'::1.2.3.4'", "'::1'", "'1:0:0:2::'"],
  ['inet4', "'10.0.0.0'", "'255.255.255.255'"],
  ['text COMPRESSED', "REPEAT('compress me ', 50)", "''", "'x'"],
  ['varchar(900) COMPRESSED', "REPEAT('v', 900)", "''"],
];

test.for(['NO_LOG', 'MINIMAL', 'FULL'])(
  'every type reads the same from the log as from a query: binlog_row_metadata = %s',
  async (metadata) => {
    const source = await openSource(
      `CREATE TABLE every_type (id int PRIMARY KEY, ${EVERY_TYPE.map(([type], i) => `c${i} ${type}`).join(', ')})`,
    );
    await server.query(`SET GLOBAL binlog_row_metadata = ${metadata}`);
    const writer = await source.sql.connect(rootUrlOf(source));
    await writer.query("SET time_zone = '+00:00', sql_mode = '', NAMES utf8mb4");
    const maps = [await source.map('every_type')];
    const stream = await source.stream(maps, await source.prepare(maps));
    const count = Math.max(...EVERY_TYPE.map((column) => column.length));
    for (let i = 1; i <= count; i++)
      await writer.query(
        `INSERT INTO every_type VALUES (${i}, ${EVERY_TYPE.map((column) => column[i] ?? 'NULL').join(', ')})`,
      );
    const changes = changesOf(await readAll(source, stream));
    const columns = maps[0]?.columns ?? [];
    const rows = await source.pool.query(
      `SELECT ${columns.map(({ name, sourceType }) => `${readSql(sourceType, `\`${name}\``)} AS \`${name}\``).join(', ')}
         FROM \`${source.sql.name}\`.every_type ORDER BY id`,
    );
    const expected = rows.map((row) =>
      Object.fromEntries(
        columns.map(({ name, sourceType }) => {
          const text = row[name] ?? null;
          return [name, text === null ? null : (fromServer(sourceType)?.(text) ?? text)];
        }),
      ),
    );
    const read = changes.map((change) =>
      change.kind === 'insert'
        ? Object.fromEntries(columns.map(({ name }, i) => [name, change.values[i]]))
        : change.kind,
    );
    expect(read).toHaveLength(count);
    expect(read).toEqual(expected);
  },
);

const rootUrlOf = (source: Source): string => `${server.rootUrl.replace(/\/$/, '')}/${source.sql.name}`;
