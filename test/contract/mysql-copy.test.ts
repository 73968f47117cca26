/** Reading and writing chunks: whatever the key and the types, all rows arrive once and unchanged, as bytes and as rows. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChunkReader } from '../../src/engines/engine.js';
import { queryable } from '../../src/engines/mysql/mysql-connection.js';
import { keyIndexHint } from '../../src/engines/mysql/mysql-key-sample.js';
import { rangeCondition } from '../../src/engines/mysql/mysql-key-range.js';
import { MysqlSinkFactory } from '../../src/engines/mysql/mysql-sink.js';
import { keyOn } from '../../src/engines/relation-sides.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { OWNER } from '../support/moving.js';
import { mysqlContentOf, openMysqlPieces, type MysqlPieces } from '../support/mysql-copying.js';
import { mysqlMapOf } from '../support/mysql-moving.js';

let server: MysqlTestServer;
let legacy: MysqlTestDatabase;
let service: MysqlTestDatabase;
let pieces: MysqlPieces;

beforeAll(async () => {
  server = await startMysqlServer();
  const [row] = await server.query('SELECT VERSION() AS version');
  isMariadb = /mariadb/i.test(String(row?.['version']));
  recursion = isMariadb ? 'max_recursive_iterations' : 'cte_max_recursion_depth';
  [legacy, service] = await Promise.all([server.createDatabase(), server.createDatabase()]);
  pieces = await openMysqlPieces(legacy, service);
});
afterAll(async () => {
  await pieces.close();
  await Promise.all([legacy.drop(), service.drop()]);
  await server.stop();
});

const NUMBERS = (to: number) =>
  `(WITH RECURSIVE n AS (SELECT 1 AS g UNION ALL SELECT g + 1 FROM n WHERE g < ${to}) SELECT g FROM n) s`;

let isMariadb = false;
/** For what only MariaDB has. */
const mariadb = (sql: string) => (isMariadb ? sql : '');
let recursion = '';
let tables = 0;
/** The same table on both sides, empty on the target; filled as a session that is not strict would. */
async function bothSides(columns: string, fill?: (table: string) => string, suffix = ''): Promise<string> {
  const table = `t${++tables}`;
  await legacy.query(`CREATE TABLE ${table} (${columns}) ${suffix}`);
  await service.query(`CREATE TABLE ${table} (${columns}) ${suffix}`);
  if (fill !== undefined)
    await legacy.query(
      `SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', ${recursion} = 1000000; ${fill(table)}; SET SESSION sql_mode = DEFAULT`,
    );
  return table;
}

const insert = (rows: number, values: string) => (table: string) =>
  `INSERT INTO ${table} SELECT ${values} FROM ${NUMBERS(rows)}`;

async function copied(table: string, rowsPerChunk: number, key = ['id'], format?: 'rows') {
  const map = await mysqlMapOf(legacy, service, table, key);
  const result = await pieces.copy(map, rowsPerChunk, format);
  expect(await mysqlContentOf(service, table)).toEqual(await mysqlContentOf(legacy, table));
  return result;
}

describe('any key', () => {
  const keys: [name: string, columns: string, values: string, key: string[]][] = [
    [
      'bigint, sparse',
      'id bigint PRIMARY KEY, v text',
      'CASE WHEN g % 2 THEN g * 7 - 5000 ELSE g * g * 1000003 END, g',
      ['id'],
    ],
    ['bigint unsigned', 'id bigint unsigned PRIMARY KEY, v text', '18446744073709551615 - g * 3, g', ['id']],
    ['decimal', 'id decimal(65,30) PRIMARY KEY, v text', 'g * 0.10 - 3, g', ['id']],
    ['double', 'id double PRIMARY KEY, v text', '1.0e0 / g, g', ['id']],
    ['float', 'id float PRIMARY KEY, v text', '1.0e0 / g, g', ['id']],
    [
      'varchar, any case',
      'id varchar(40) PRIMARY KEY, v text',
      `CONCAT(CHAR(33 + g % 64), '\\\\''"', CHAR(9), 'é', g), g`,
      ['id'],
    ],
    [
      'varchar, latin1',
      'id varchar(40) CHARACTER SET latin1 PRIMARY KEY, v text',
      "CONCAT(CHAR(33 + g % 30), 'é', g), g",
      ['id'],
    ],
    [
      'varchar, binary collation',
      'id varchar(40) COLLATE utf8mb4_bin PRIMARY KEY, v text',
      "CONCAT(IF(g % 2, 'a', 'A'), '😀', g), g",
      ['id'],
    ],
    ['char', 'id char(8) PRIMARY KEY, v text', "CONCAT('k', g), g", ['id']],
    ['varbinary', 'id varbinary(16) PRIMARY KEY, v text', 'UNHEX(LEFT(SHA2(g, 256), 32)), g', ['id']],
    [
      'binary, ending in zeros',
      'id binary(4) PRIMARY KEY, v text',
      'UNHEX(LPAD(HEX(g * 256), 8, 0)), g',
      ['id'],
    ],
    [
      'datetime, fractions',
      'id datetime(6) PRIMARY KEY, v text',
      "TIMESTAMP'2020-03-29 00:00:00.000001' + INTERVAL g * 1001 MICROSECOND, g",
      ['id'],
    ],
    [
      'timestamp',
      'id timestamp(3) NOT NULL PRIMARY KEY, v text',
      "'2020-03-29 00:00:00.125' + INTERVAL g HOUR, g",
      ['id'],
    ],
    ['time', 'id time(3) PRIMARY KEY, v text', 'SEC_TO_TIME(g * 3.125 - 1000), g', ['id']],
    ['bit', 'id bit(60) PRIMARY KEY, v text', '(1 << 59) + g, g', ['id']],
    [
      'uuid',
      'id uuid PRIMARY KEY, v text',
      "CONCAT(LPAD(HEX(g * 7919), 8, '0'), '-e29b-41d4-a716-', LPAD(HEX(g % 17), 12, '0')), g",
      ['id'],
    ],
    ['inet6', 'id inet6 PRIMARY KEY, v text', "CONCAT('2001:db8::', HEX(g)), g", ['id']],
    [
      'composite, mixed case, reserved',
      '`Order` int, `fr``om` varchar(20), v text, PRIMARY KEY (`Order`, `fr``om`)',
      "g DIV 100, CONCAT('x', g), g",
      ['Order', 'fr`om'],
    ],
    [
      'composite of three with an enum',
      "a enum('z','y','x, w','') NOT NULL, b date, c smallint unsigned, v text, PRIMARY KEY (a, b, c)",
      "1 + g % 4, '2020-01-01' + INTERVAL g % 50 DAY, g, g",
      ['a', 'b', 'c'],
    ],
    [
      'unique key beside a primary key',
      'n int PRIMARY KEY, id varchar(20) NOT NULL UNIQUE, v text',
      "g, CONCAT('u', 5000 - g), g",
      ['id'],
    ],
  ];
  test.each(keys)('%s', async (_, columns, values, key) => {
    if (!isMariadb && /\b(?:uuid|inet6)\b/.test(columns))
      columns = columns.replace(/\b(?:uuid|inet6)\b/, 'varchar(60)');
    const table = await bothSides(columns, insert(1_000, values));
    const map = await mysqlMapOf(legacy, service, table, key);
    const chunks = await pieces.snapshot.planChunks(map, 130);
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.length).toBeLessThan(30);
    expect(chunks.reduce((sum, chunk) => sum + chunk.estimatedRows, 0)).toBeGreaterThan(300);
    // Each range is found by the key's index, not by looking at the table.
    if (!columns.includes('enum')) {
      const session = queryable(await legacy.connect());
      const hint = await keyIndexHint(session, map.source, keyOn(map, 'source'));
      expect(hint).toMatch(/^ FORCE INDEX/);
      for (const chunk of [chunks[1]!, chunks.at(-1)!]) {
        const [plan] = await session.query({
          sql: `EXPLAIN FORMAT=TRADITIONAL SELECT 1 FROM \`${table}\`${hint} WHERE ${rangeCondition(chunk, keyOn(map, 'source'))}`,
        });
        expect(plan).toMatchObject({ type: 'range' });
        expect(Number(plan?.['rows'])).toBeLessThan(600);
      }
    }
    expect((await copied(table, 130, key)).rows).toBe(1_000);
    await service.query(`DELETE FROM ${table}; DELETE FROM dbps.chunk`);
    expect(await copied(table, 130, key, 'rows')).toMatchObject({ rows: 1_000, format: 'rows' });
  });

  test('a table that is said to be small is looked at, and a large empty range costs no chunks', async () => {
    const table = await bothSides(
      'id bigint PRIMARY KEY, v char(200)',
      (t) =>
        `${insert(20_000, "g, 'x'")(t)}; INSERT INTO ${t} SELECT g + 9000000000000000000, 'y' FROM ${NUMBERS(20_000)}`,
    );
    const map = await mysqlMapOf(legacy, service, table);
    const chunks = await pieces.snapshot.planChunks(map, 2_000);
    expect(chunks.length).toBeGreaterThan(12);
    expect(chunks.length).toBeLessThan(45);
    const counts = [];
    for (const chunk of chunks) {
      const [row] = await legacy.query(
        `SELECT COUNT(*) AS n FROM ${table} WHERE ${rangeCondition(chunk, keyOn(map, 'source'))}`,
      );
      counts.push(Number(row?.['n']));
    }
    expect(counts.reduce((a, b) => a + b)).toBe(40_000);
    expect(Math.max(...counts)).toBeLessThan(6_000);
  });
});

/** One column a kind of value, as a session that is not strict could store them. */
const nasty = () => `
  id bigint unsigned PRIMARY KEY AUTO_INCREMENT, i8 tinyint, big bigint, ubig bigint unsigned, z int(8) unsigned zerofill, dec65 decimal(65,30),
  f float, d double, fd float(7,3), bits bit(9), b64 bit(64), l1 varchar(200) CHARACTER SET latin1, cp varchar(50) CHARACTER SET cp1251,
  u16 varchar(50) CHARACTER SET utf16, t text, lt longtext CHARACTER SET utf8mb3, c char(10), bn binary(6), vb varbinary(300), bl longblob,
  j json, en enum('a','b, c','it''s','\\\\x'), st set('x','y','z ''q'''), y year, dt date, d6 datetime(6), ts timestamp(3) NULL, tm time(2),
  g geometry, p point, u ${mariadb('uuid') || 'char(36)'}, ip ${mariadb('inet6') || 'char(39)'}, v int AS (i8 + 1) VIRTUAL, tc varchar(3000) ${mariadb('COMPRESSED')}, hid int DEFAULT 7 INVISIBLE`;

const nastyValues = () => `
  (0, -128, -9223372036854775808, 18446744073709551615, 5, -12345678901234567890123456789012345.123456789012345678901234567891,
   0.1, -1.7976931348623157e308, 1234.567, b'101010101', ~0, 'é€ÿ', 'Привет', '😀x', 'tab\\t nl\\n cr\\r bs\\\\ nul\\0 q''"', '€', 'a  ', x'0100', x'00ff5c090a5c4e',
   x'e25c0a', '{"b":  [1.10, null, "\\\\u2603"], "a": 1}', 'b, c', 'x,z ''q''', 2024, '0000-00-00', '2020-02-31 23:59:59.000001',
   '1970-01-01 00:00:01.001', '-838:59:59.99', ST_GeomFromText('LINESTRING(0 0,1.5 1e300)'${mariadb(', 4326')}), POINT(1, 2), '550e8400-e29b-41d4-a716-446655440000', '::ffff:10.0.0.1', REPEAT('z', 2000), 1),
  (1, 127, 9223372036854775807, 0, 99999999, 0.000000000000000000000000000001, -3.4028235e38, 5e-324, -0.001, 0, 0, '', '', '', '', '', '', '', '', '', '[]', '\\\\x', '', 1901,
   '2020-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', '00:00:00', ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'), POINT(-0.0, 0), '00000000-0000-0000-0000-000000000000', '::', '', 2),
  (2, 0, 0, 0, 0, 0, 16777217, 0.1, 0, b'1', 1, '\\\\N', 'N', '\\\\', '\\\\N', '\\\\', '\\\\', x'5c4e5c6e0909', x'5c4e', REPEAT(x'ff00', 40000), 'null', 'it''s', 'y', 2155, '9999-12-31',
   '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', '838:59:59.99', ST_GeomFromText('MULTIPOINT(1 1,2 2)'), NULL, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '2001:db8::1', NULL, NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`;

const NASTY_COLUMNS =
  'id, i8, big, ubig, z, dec65, f, d, fd, bits, b64, l1, cp, u16, t, lt, c, bn, vb, bl, j, en, st, y, dt, d6, ts, tm, g, p, u, ip, tc, hid';

describe('any type', () => {
  test.each([['mysql-load'], ['rows']] as const)('every kind of value, as %s', async (format) => {
    const table = await bothSides(
      nasty(),
      (t) => `SET SESSION time_zone = '+00:00'; INSERT INTO ${t} (${NASTY_COLUMNS}) VALUES ${nastyValues()}`,
    );
    expect((await copied(table, 2, ['id'], format === 'rows' ? 'rows' : undefined)).format).toBe(format);
  });

  test('every kind of value where the server takes no files', async () => {
    const table = await bothSides(
      nasty(),
      (t) => `SET SESSION time_zone = '+00:00'; INSERT INTO ${t} (${NASTY_COLUMNS}) VALUES ${nastyValues()}`,
    );
    await server.query('SET GLOBAL local_infile = 0');
    const sink = await new MysqlSinkFactory(pieces.pool, service.target, { applicationName: 'dbps test' })
      .open({ stream: { service: OWNER.service, direction: 'forward' }, owner: OWNER, maps: [] })
      .finally(() => server.query('SET GLOBAL local_infile = 1'));
    expect(sink.formats).toEqual(['rows']);
    const map = await mysqlMapOf(legacy, service, table);
    const format = await pieces.snapshot.chunkFormat(map, sink.formats);
    for (const chunk of await sink.recordChunks(map, await pieces.snapshot.planChunks(map, 2)))
      await sink.writeChunk(map, chunk, await pieces.snapshot.readChunk(map, chunk, format));
    await sink.close();
    expect(await mysqlContentOf(service, table)).toEqual(await mysqlContentOf(legacy, table));
  });

  test('other character sets on the target, wider types, another name', async () => {
    const table = `t${++tables}`;
    await legacy.query(`CREATE TABLE ${table} (id int PRIMARY KEY, a varchar(9) CHARACTER SET latin1, b varchar(9), c enum('é') CHARACTER SET latin1, f float);
      INSERT INTO ${table} VALUES (1, 'é€', '€\t😀', 'é', 0.1)`);
    await service.query(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, a text, label varchar(9) CHARACTER SET utf16, c enum('é') CHARACTER SET utf8mb3, f double)`,
    );
    const map = await mysqlMapOf(legacy, service, table);
    const other = {
      ...map,
      columns: map.columns.map((column) =>
        column.name === 'b'
          ? { ...column, target: 'label' }
          : column.name === 'f'
            ? { ...column, targetType: 'float' }
            : column,
      ),
    };
    await pieces.copy(other);
    expect(await service.query(`SELECT a, label, c, f FROM ${table}`)).toEqual([
      { a: 'é€', label: '€\t😀', c: 'é', f: 0.10000000149011612 },
    ]);
  });

  test('any rows at all: what was copied is what was there', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const row = fc.record({
      n: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      d: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      t: fc.option(text),
      u: fc.option(text),
      b: fc.option(fc.uint8Array({ maxLength: 40 })),
      at: fc.option(fc.integer({ min: 1, max: 4_000_000_000 })),
    });
    const table = await bothSides(
      'id int PRIMARY KEY, n bigint, d double, t varchar(80), u text CHARACTER SET utf16, b varbinary(40), at datetime(3)',
    );
    const connection = await legacy.connect();
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 30 }), fc.boolean(), async (rows, asRows) => {
        await legacy.query(`DELETE FROM ${table}`);
        await service.query(`DELETE FROM ${table}; DELETE FROM dbps.chunk`);
        for (const [id, { n, d, t, u, b, at }] of rows.entries())
          await connection.execute(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?, ?, ?)`, [
            id,
            n === null ? null : String(n),
            d,
            t,
            u,
            b === null ? null : Buffer.from(b),
            at === null ? null : new Date(at * 1_003).toISOString().slice(0, 23),
          ]);
        await copied(table, 7, ['id'], asRows ? 'rows' : undefined);
      }),
      { numRuns: 25 },
    );
  });

  test('values larger than the buffers on the way and than one packet, and many small rows', async () => {
    const table = await bothSides(
      'id int PRIMARY KEY, v longtext',
      insert(6_000, 'g, IF(g % 1000 = 0, REPEAT(SHA2(g, 256), 20000), g)'),
    );
    // The writing side has the smaller limit: a value that is loaded is not bound by it.
    await server.query('SET GLOBAL max_allowed_packet = 67108864');
    const wide = await legacy.connect();
    await wide.query(`INSERT INTO ${table} VALUES (7000, REPEAT('\\\\', 20000000)), (7001, ?)`, [
      'x'.repeat(16_777_215),
    ]);
    const map = await mysqlMapOf(legacy, service, table);
    expect((await pieces.copy(map, 2_500)).rows).toBe(6_002);
    const digest = `SELECT COUNT(*) AS n, SUM(LENGTH(v)) AS bytes, BIT_XOR(CRC32(v)) AS x FROM ${table}`;
    expect(await service.query(digest)).toEqual(await legacy.query(digest));
    await server.query('SET GLOBAL max_allowed_packet = 16777216');
  });

  test('a large binary value travels as rows too: twice as many hexadecimal digits would be more than the server makes', async () => {
    const table = await bothSides(
      'id int PRIMARY KEY, b longblob, bits bit(3)',
      (t) => `INSERT INTO ${t} VALUES (1, REPEAT(x'5c', 12000000), b'101')`,
    );
    await copied(table, 10, ['id'], 'rows');
  });
});

describe('any shape', () => {
  test('partitions, generated columns, an empty table, zero in an AUTO_INCREMENT column', async () => {
    const parts = await bothSides(
      'id int AUTO_INCREMENT, at date, n int, twice int AS (n * 2) STORED, PRIMARY KEY (id, at)',
      (t) =>
        `INSERT INTO ${t} (id, at, n) SELECT g - 1, '2020-01-01' + INTERVAL g DAY, g FROM ${NUMBERS(500)}`,
      'PARTITION BY RANGE (YEAR(at)) (PARTITION p0 VALUES LESS THAN (2021), PARTITION p1 VALUES LESS THAN MAXVALUE)',
    );
    expect(await copied(parts, 100, ['id', 'at'])).toMatchObject({ rows: 500 });
    const empty = await bothSides('id int PRIMARY KEY');
    expect(await copied(empty, 100)).toMatchObject({ chunks: 1, rows: 0 });
  });

  test('rows of a system-versioned table are those of now', async () => {
    const table = await bothSides('id int PRIMARY KEY, n int', undefined, mariadb('WITH SYSTEM VERSIONING'));
    await legacy.query(
      `INSERT INTO ${table} VALUES (1, 1), (2, 1); UPDATE ${table} SET n = 2; DELETE FROM ${table} WHERE id = 2`,
    );
    const map = await mysqlMapOf(legacy, service, table);
    expect((await pieces.copy(map)).rows).toBe(1);
    expect(await service.query(`SELECT id, n FROM ${table}`)).toEqual([{ id: 1, n: 2 }]);
  });

  test('single rows by key, many of them and those that are gone', async () => {
    const table = await bothSides(
      'a int, b varchar(9), v int, PRIMARY KEY (a, b)',
      insert(2_000, "g, CONCAT('k', g), g"),
    );
    const map = await mysqlMapOf(legacy, service, table, ['a', 'b']);
    const keys = Array.from({ length: 1_200 }, (_, i) => [String(i * 2), `k${i * 2}`]);
    const reader = await pieces.snapshot.readKeys(map, keys, 'rows');
    const rows: unknown[] = [];
    for await (const batch of reader.data) rows.push(...(batch as unknown[]));
    expect(rows).toHaveLength(1_000);
    expect(await reader.finish()).toMatchObject({
      rows: 1_000,
      position: expect.stringContaining(':') as string,
    });
  });
});

describe('what goes wrong', () => {
  const chunkOf = async (table: string) => {
    const map = await mysqlMapOf(legacy, service, table);
    const [chunk] = await pieces.sink.recordChunks(map, await pieces.snapshot.planChunks(map, 100_000));
    return { map, chunk: chunk! };
  };
  /** A reader that does something when its rows have all been handed over. */
  const pausing = (reader: ChunkReader, when: (part: number) => Promise<void> | void): ChunkReader => ({
    format: reader.format,
    finish: () => reader.finish(),
    cancel: () => reader.cancel(),
    data: (async function* () {
      let parts = 0;
      for await (const part of reader.data) {
        yield part;
        await when(++parts);
      }
    })(),
  });

  test('a chunk that is already there is skipped', async () => {
    const table = await bothSides('id int PRIMARY KEY', insert(10, 'g'));
    const { map, chunk } = await chunkOf(table);
    await pieces.copy(map);
    const again = await pieces.snapshot.readChunk(map, chunk, 'mysql-load');
    expect(await pieces.sink.writeChunk(map, chunk, again)).toEqual({ rows: 0, bytes: 0 });
    expect(await mysqlContentOf(service, table)).toHaveLength(10);
    const progress = await pieces.sink.copyProgress();
    expect(progress.find((p) => p.relation === map.source)).toMatchObject({ chunks: 1, done: 1, rows: 10 });
    const [latest] = await pieces.sink.readPositions();
    expect(progress.map((p) => p.position).filter((p) => p !== null && p > latest!)).toEqual([]);
  });

  test.each([
    ['a row in the way', 'mysql-load', `(500, 'in the way')`, 'v longtext', /Duplicate entry/],
    ['a row in the way', 'rows', `(500, 'in the way')`, 'v longtext', /Duplicate entry/],
    ['a value too long', 'mysql-load', null, 'v varchar(7)', /truncated.*row 1/],
    ['a value of another kind', 'mysql-load', null, 'v int', /Incorrect integer value.*row 1/],
    ['a null too many', 'mysql-load', null, 'v longtext NOT NULL', /cannot be null|NULL supplied/],
  ] as const)(
    '%s (%s) leaves nothing behind, and the chunk can be written again',
    async (_, format, there, column, message) => {
      const table = await bothSides(
        'id int PRIMARY KEY, v longtext',
        insert(2_000, "g, IF(g = 1000, NULL, REPEAT('x', 1000))"),
      );
      await service.query(
        `ALTER TABLE ${table} MODIFY ${column}${there === null ? '' : `; INSERT INTO ${table} VALUES ${there}`}`,
      );
      const { map, chunk } = await chunkOf(table);
      const write = async () =>
        pieces.sink.writeChunk(map, chunk, await pieces.snapshot.readChunk(map, chunk, format));
      const failed = write();
      await expect(failed).rejects.toThrow(message);
      await expect(failed).rejects.not.toThrow(/entry '/);
      expect((await pieces.sink.recordedChunks(map)).map((c) => c.isDone)).toEqual([false]);
      expect(await mysqlContentOf(service, table)).toHaveLength(there === null ? 0 : 1);
      await service.query(`DELETE FROM ${table}; ALTER TABLE ${table} MODIFY v longtext`);
      expect((await write()).rows).toBe(2_000);
      expect(await mysqlContentOf(service, table)).toEqual(await mysqlContentOf(legacy, table));
    },
  );

  test('an abort in the middle leaves nothing behind, and no statement on either server', async () => {
    const table = await bothSides('id int PRIMARY KEY, v text', insert(20_000, "g, REPEAT('x', 1000)"));
    for (const format of ['mysql-load', 'rows'] as const) {
      const { map, chunk } = await chunkOf(table);
      const stop = new AbortController();
      const reader = await pieces.snapshot.readChunk(map, chunk, format, stop.signal);
      const stopping = pausing(reader, () => stop.abort(new Error('stopped by the test')));
      await expect(pieces.sink.writeChunk(map, chunk, stopping, stop.signal)).rejects.toThrow(
        'stopped by the test',
      );
      await expect
        .poll(
          async () =>
            (
              await server.query(
                "SELECT info FROM information_schema.processlist WHERE info REGEXP '^(LOAD|INSERT|SELECT .id)'",
              )
            ).length,
        )
        .toBe(0);
      expect(await mysqlContentOf(service, table)).toHaveLength(0);
    }
    expect((await pieces.copy(await mysqlMapOf(legacy, service, table))).rows).toBe(20_000);
  });

  test('a source that goes away in the middle is an error, not the end of the rows', async () => {
    const table = await bothSides('id int PRIMARY KEY, v text', insert(20_000, "g, REPEAT('x', 1000)"));
    for (const format of ['mysql-load', 'rows'] as const) {
      const { map, chunk } = await chunkOf(table);
      const reader = pausing(await pieces.snapshot.readChunk(map, chunk, format), async (part) => {
        if (part > 1) return;
        const [reading] = await server.query(
          "SELECT id FROM information_schema.processlist WHERE info LIKE ? AND info NOT LIKE '%processlist%'",
          [`SELECT \`id\`%${table}%`],
        );
        await server.query(`KILL ${String(reading?.['id'])}`);
      });
      await expect(pieces.sink.writeChunk(map, chunk, reader)).rejects.toThrow();
      expect(await mysqlContentOf(service, table)).toHaveLength(0);
      expect((await pieces.sink.recordedChunks(map)).map((c) => c.isDone)).toEqual([false]);
    }
  });

  test('emptied for another copy: rows and progress go together', async () => {
    const table = await bothSides('id int PRIMARY KEY', insert(50_000, 'g'));
    const map = await mysqlMapOf(legacy, service, table);
    await pieces.copy(map);
    await pieces.sink.resetRelation(map);
    expect(await pieces.sink.recordedChunks(map)).toEqual([]);
    expect(await mysqlContentOf(service, table)).toEqual([]);
    await pieces.sink.analyze(map);
    expect((await pieces.copy(map, 20_000)).rows).toBe(50_000);
  });

  test('healed rows are as they are in the source now, and those that are gone there go here', async () => {
    const table = await bothSides('id int PRIMARY KEY, u int UNIQUE', insert(20, 'g, g'));
    const map = await mysqlMapOf(legacy, service, table);
    await pieces.copy(map);
    await legacy.query(`DELETE FROM ${table} WHERE id = 3; UPDATE ${table} SET u = u + 100 WHERE id < 6`);
    const keys = [['2'], ['3'], ['4'], ['99']];
    await pieces.pool.query(
      'INSERT INTO dbps.heal_key (service, relation, digest, `key`) VALUES (?, ?, UNHEX(SHA2(?, 256)), ?)',
      [OWNER.service, map.source, '["2"]', '["2"]'],
    );
    await pieces.sink.healRows(map, keys, await pieces.snapshot.readKeys(map, keys, 'mysql-load'));
    expect(await pieces.sink.heal.size()).toBe(0);
    expect(
      (await service.query(`SELECT * FROM ${table} WHERE id < 6`)).map((row) => Object.values(row).join()),
    ).toEqual(['1,1', '2,102', '4,104', '5,5']);
    expect((await pieces.sink.readPositions()).length).toBe(2);
  });

  describe('H4: what is in the log before capture but cannot be seen yet is waited for', () => {
    test('a commit that waits for its replica', async () => {
      const table = await bothSides('id int PRIMARY KEY');
      const semisync = (name: string, value: string) =>
        server.query(`SET GLOBAL rpl_semi_sync_${isMariadb ? 'master' : 'source'}_${name} = ${value}`);
      if (!isMariadb)
        await server
          .query("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
          .catch(() => undefined);
      await semisync('wait_point', "'AFTER_SYNC'");
      await semisync('timeout', '600000');
      await semisync('enabled', '1');
      try {
        const writer = await legacy.connect();
        const before = await pieces.snapshot.observer.currentPosition();
        const committing = writer.query(`INSERT INTO ${table} VALUES (1)`);
        // Capture would begin here: behind the row, which nobody sees.
        await expect.poll(() => pieces.snapshot.observer.currentPosition()).not.toBe(before);
        expect(await legacy.query(`SELECT * FROM ${table}`)).toEqual([]);
        const since = await pieces.snapshot.currentSnapshot();
        let isVisible = false;
        const waiting = pieces.snapshot.waitUntilVisible(since).then(() => (isVisible = true));
        // Others are not waited for, and meanwhile the other wait has looked at least once.
        for (let i = 0; i < 3; i++) await pieces.snapshot.waitUntilVisible('[]');
        expect(await pieces.snapshot.currentSnapshot()).toBe(since);
        expect(isVisible).toBe(false);
        await semisync('enabled', '0');
        await committing;
        await waiting;
        expect((await pieces.copy(await mysqlMapOf(legacy, service, table))).rows).toBe(1);
      } finally {
        await semisync('enabled', '0');
      }
    });

    test('a prepared distributed transaction, but not one that has not come so far', async () => {
      const table = await bothSides('id int PRIMARY KEY');
      const [early, late] = [await legacy.connect(), await legacy.connect()];
      await late.query(`START TRANSACTION; INSERT INTO ${table} VALUES (2)`);
      await early.query(`XA START 'a'; INSERT INTO ${table} VALUES (1); XA END 'a'; XA PREPARE 'a'`);
      const since = await pieces.snapshot.currentSnapshot();
      let isVisible = false;
      const waiting = pieces.snapshot.waitUntilVisible(since).then(() => (isVisible = true));
      await pieces.snapshot.currentSnapshot();
      expect(isVisible).toBe(false);
      await early.query("XA COMMIT 'a'");
      await waiting;
      await late.query('ROLLBACK');
    });
  });

  test('H7: a dead runner’s late chunk is refused, and a take-over waits for one that is being written', async () => {
    const table = await bothSides('id int PRIMARY KEY', insert(2, 'g'));
    const { map, chunk } = await chunkOf(table);
    let goOn!: () => void;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let reached!: () => void;
    const reading = new Promise<void>((resolve) => (reached = resolve));
    const slow = pausing(await pieces.snapshot.readChunk(map, chunk, 'mysql-load'), async () => {
      reached();
      await held;
    });
    const writing = pieces.sink.writeChunk(map, chunk, slow);
    await reading;
    const order: string[] = [];
    const takeOver = pieces.control.raiseEpoch({ ...OWNER, epoch: 2 }).then(() => order.push('taken over'));
    // The row was deleted in the source meanwhile; the chunk in hand still holds it.
    await legacy.query(`DELETE FROM ${table} WHERE id = 2`);
    await expect
      .poll(async () => String((await server.query('SHOW ENGINE INNODB STATUS'))[0]?.['Status']))
      .toContain('LOCK WAIT');
    order.push('chunk goes on');
    goOn();
    await writing;
    await takeOver;
    expect(order).toEqual(['chunk goes on', 'taken over']);

    // From now on the old epoch writes nothing, neither chunks nor plans.
    await service.query(
      `DELETE FROM ${table}; UPDATE dbps.chunk SET is_done = false WHERE relation = '${map.source}'`,
    );
    const late = await pieces.snapshot.readChunk(map, chunk, 'mysql-load');
    await expect(pieces.sink.writeChunk(map, chunk, late)).rejects.toMatchObject({ code: 'DBPS_E301' });
    await expect(pieces.sink.recordChunks({ ...map, source: 'x.other' }, [])).rejects.toMatchObject({
      code: 'DBPS_E301',
    });
    await expect(pieces.sink.resetRelation(map)).rejects.toMatchObject({ code: 'DBPS_E301' });
    expect(await mysqlContentOf(service, table)).toEqual([]);
    await pieces.control.pool.query('UPDATE dbps.epoch SET epoch = 1');
  });
});
