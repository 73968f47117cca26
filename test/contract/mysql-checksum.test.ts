/** Comparing on a MySQL-family server: equal rows hash alike in any database, and whatever differs is told apart. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Chunk, RelationMap } from '../../src/engines/engine.js';
import { MysqlChecksum } from '../../src/engines/mysql/mysql-checksum.js';
import { compareMethods } from '../../src/verification/compare-methods.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlMapOf } from '../support/mysql-moving.js';

let server: MysqlTestServer;
let legacy: MysqlTestDatabase;
let service: MysqlTestDatabase;
let source: MysqlChecksum;
let target: MysqlChecksum;

beforeAll(async () => {
  server = await startMysqlServer();
  legacy = await server.createDatabase();
  service = await server.createDatabase();
  source = new MysqlChecksum(legacy.target, { applicationName: 'dbps test' });
  target = new MysqlChecksum(service.target, { applicationName: 'dbps test' });
  for (const side of [legacy, service]) await side.query("SET sql_mode = ''");
});
afterAll(async () => {
  await Promise.all([source.close(), target.close()]);
  await Promise.all([legacy.drop(), service.drop()]);
  await server.stop();
});

let tables = 0;
/** @returns the map, and the table's name without its database. */
async function bothSides(columns: string, there = columns, key = ['id']): Promise<[RelationMap, string]> {
  const table = `c${++tables}`;
  await legacy.query(`CREATE TABLE ${table} (${columns}) CHARACTER SET utf8mb4`);
  await service.query(`CREATE TABLE ${table} (${there}) CHARACTER SET utf8mb4`);
  return [await mysqlMapOf(legacy, service, table, key), table];
}

async function methodOf(map: RelationMap, isStrict = false) {
  const options = { isStrict, peer: 'mysql' } as const;
  return compareMethods(
    await source.method(map, 'source', options),
    await target.method(map, 'target', options),
  );
}

const whole = (map: RelationMap): Chunk => ({
  relation: map.source,
  index: 0,
  from: null,
  to: null,
  estimatedRows: 0,
});

async function isEqual(map: RelationMap): Promise<boolean> {
  const method = await methodOf(map);
  const a = await source.hash(map, whole(map), method, 'source');
  const b = await target.hash(map, whole(map), method, 'target');
  const left = await source.rowHashes(map, whole(map), method, 'source');
  const right = await target.rowHashes(map, whole(map), method, 'target');
  const sorted = (rows: typeof left) => rows.map((row) => JSON.stringify(row)).sort();
  const isSame = a.rows === b.rows && a.hash === b.hash;
  // Ranges and rows are hashed in two ways that must agree.
  expect(JSON.stringify(sorted(left)) === JSON.stringify(sorted(right))).toBe(isSame);
  return isSame;
}

describe('told apart', () => {
  const pairs: [type: string, a: string, b: string][] = [
    ['bigint', '1', '4294967296'],
    ['bigint', '-1', '4294967295'],
    ['bigint unsigned', '18446744073709551615', '18446744073709551614'],
    ['int', '0', 'NULL'],
    ['int(6) zerofill', '12', '120'],
    ['tinyint(1)', '1', '2'],
    ['decimal(12,2)', '12.50', '-12.50'],
    ['decimal(65,30)', '0.000000000000000000000000000001', '0.000000000000000000000000000002'],
    ['double', '0.1', '0.10000000000000002'],
    ['double', '1e300', '-1e300'],
    ['double', '5e-324', '0'],
    ['float', '16777215', '16777216'],
    ['float', '1.2345678', '1.2345680'],
    ['text', "''", 'NULL'],
    ['text', "'NULL'", 'NULL'],
    ['text', "'a'", "'a '"],
    ['text', "'a'", "'A'"],
    ['text', "'é'", "'e'"],
    ['text', "'é'", "CONCAT('e', _utf8mb4 x'cc81')"],
    ['text', "'a'", "_utf8mb4 x'6100'"],
    ['varchar(20) CHARACTER SET latin1', "'é'", "'è'"],
    ['varchar(20) COLLATE utf8mb4_unicode_ci', "'ß'", "'ss'"],
    ['char(3)', "'a'", "'b'"],
    ['longtext', "REPEAT('x', 100000)", "CONCAT(REPEAT('x', 99999), 'y')"],
    ['longtext', "''", 'NULL'],
    ['varbinary(10)', "x'00'", "x'0000'"],
    ['varbinary(10)', "x'fe'", 'NULL'],
    ['binary(2)', "x'6100'", "x'6120'"],
    ['blob', "x'ff'", "x'ffff'"],
    ['longblob', "x'80'", "x'81'"],
    ['bit(64)', "b'1'", "b'1000000000000000000000000000000000000000000000000000000000000001'"],
    ['bit(1)', "b'0'", 'NULL'],
    ['date', "'2020-01-01'", "'2020-01-02'"],
    ['date', "'0000-00-00'", 'NULL'],
    ['date', "'2020-00-00'", "'2020-01-00'"],
    ['datetime(6)', "'2000-01-01 00:00:00.000001'", "'2000-01-01 00:00:00'"],
    ['datetime', "'0000-00-00 00:00:00'", 'NULL'],
    ['timestamp(3) NULL', "'2020-01-01 00:00:00.001'", "'2020-01-01 00:00:00.002'"],
    ['timestamp NULL', "'2020-01-01 00:00:00'", "'2020-01-01 01:00:00'"],
    ['time', "'12:00:00'", "'-12:00:00'"],
    ['time(6)', "'838:59:59'", "'838:59:58.999999'"],
    ['year', '2024', '0'],
    ["enum('ok','sad')", "'ok'", "'sad'"],
    ["enum('ok','sad','')", "''", '0'],
    ["enum('1','0')", "'1'", "'0'"],
    ["set('a','b','c')", "'a,b'", "'a,c'"],
    ["set('a','b')", "''", 'NULL'],
    ['json', `'{"a":1}'`, `'{"a":-1}'`],
    ['json', "'null'", 'NULL'],
    ['geometry', 'POINT(1,2)', 'POINT(2,1)'],
    ['geometry', 'POINT(1,2)', 'ST_GeomFromText("POINT(1 2)", 4326)'],
  ];
  test.each(pairs)('%s: %s and %s', async (type, a, b) => {
    const [map, table] = await bothSides(`id int PRIMARY KEY, v ${type}`);
    const insert = (side: MysqlTestDatabase, value: string) =>
      side.query(`INSERT INTO ${table} VALUES (1, ${value})`);
    await insert(legacy, a);
    await insert(service, b);
    expect(await isEqual(map)).toBe(false);
    await service.query(`TRUNCATE ${table}`);
    await insert(service, a);
    expect(await isEqual(map)).toBe(true);
  });

  test('values of one length swapped between two rows, or between two columns: exclusive or of CRC32 does not see the first', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, a varchar(9) NOT NULL, b int NOT NULL');
    const crc = (side: MysqlTestDatabase) =>
      side.query(`SELECT BIT_XOR(CRC32(CONCAT_WS('#', id, a, b))) AS crc FROM ${table}`);
    await legacy.query(`INSERT INTO ${table} VALUES (1, 'one', 11), (2, 'two', 21)`);
    await service.query(`INSERT INTO ${table} VALUES (1, 'two', 11), (2, 'one', 21)`);
    expect(await crc(service)).toEqual(await crc(legacy));
    expect(await isEqual(map)).toBe(false);
    await service.query(`TRUNCATE ${table}; INSERT INTO ${table} VALUES (2, 'two', 21), (1, 'one', 11)`);
    expect(await isEqual(map)).toBe(true);
    await service.query(`UPDATE ${table} SET a = '11', b = 1 WHERE id = 1`);
    await legacy.query(`UPDATE ${table} SET a = '1', b = 11 WHERE id = 1`);
    expect(await isEqual(map)).toBe(false);
  });

  test('two rows of one CRC32', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, a varchar(9) NOT NULL');
    await legacy.query(`INSERT INTO ${table} VALUES (1, 'plumless')`);
    await service.query(`INSERT INTO ${table} VALUES (1, 'buckeroo')`);
    const crc = (side: MysqlTestDatabase) => side.query(`SELECT CRC32(CONCAT(id, a)) AS crc FROM ${table}`);
    expect(await crc(service)).toEqual(await crc(legacy));
    expect(await isEqual(map)).toBe(false);
  });

  test('the second number of a row is its own, not that of the row before it', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, a varchar(9) NOT NULL');
    const method = await methodOf(map);
    const numbers = async (rows: readonly string[]): Promise<bigint[]> => {
      await legacy.query(`TRUNCATE ${table}; INSERT INTO ${table} VALUES ${rows.join()}`);
      return (await source.hash(map, whole(map), method, 'source')).hash.split('-').map(BigInt);
    };
    const rows = ["(1, 'one')", "(2, 'two')", "(3, 'three')"];
    const sum = [0n, 0n];
    for (const row of rows) for (const [i, number] of (await numbers([row])).entries()) sum[i]! ^= number;
    expect(sum[0]).not.toBe(sum[1]);
    expect(await numbers(rows)).toEqual(sum);
  });

  test('any two of many values swapped, and a whole ring of them', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, a char(8) NOT NULL, b int NOT NULL');
    for (const side of [legacy, service])
      await side.query(`INSERT INTO ${table} SELECT seq, LEFT(MD5(CONCAT(seq)), 8), seq FROM seq_1_to_64`);
    expect(await isEqual(map)).toBe(true);
    const put = (id: number, of: number) =>
      service.query(`UPDATE ${table} SET a = LEFT(MD5('${of}'), 8) WHERE id = ${id}`);
    for (let id = 1; id < 64; id += 3) {
      for (const other of [id + 1, 64]) {
        await put(id, other);
        await put(other, id);
        expect(await isEqual(map), `${id} and ${other}`).toBe(false);
        await put(id, id);
        await put(other, other);
      }
    }
    expect(await isEqual(map)).toBe(true);
    await service.query(`UPDATE ${table} SET a = LEFT(MD5(CONCAT(1 + id % 64)), 8)`);
    expect(await isEqual(map)).toBe(false);
  });

  test('where one column ends and the next begins', async () => {
    const columns = 'id int PRIMARY KEY, a varchar(9), b varchar(9), c varbinary(9), d varbinary(9)';
    const [map, table] = await bothSides(columns);
    for (const [left, right] of [
      ["'a', 'bc', '', ''", "'ab', 'c', '', ''"],
      ["NULL, 'a', '', ''", "'a', NULL, '', ''"],
      ["'', '', x'ff', ''", "'', '', '', x'ff'"],
      ["'', '', x'31ff61', x'62'", "'', '', x'31', x'61ff62'"],
      ["'', '', NULL, x'fe'", "'', '', x'fe', NULL"],
    ]) {
      for (const side of [legacy, service]) await side.query(`TRUNCATE ${table}`);
      await legacy.query(`INSERT INTO ${table} VALUES (1, ${left})`);
      await service.query(`INSERT INTO ${table} VALUES (1, ${right})`);
      expect(await isEqual(map)).toBe(false);
    }
  });

  test('rows that together are longer than a packet, which CONCAT answers with NULL', async () => {
    const [before] = await server.query('SELECT @@global.max_allowed_packet AS packet');
    await server.query('SET GLOBAL max_allowed_packet = 65536');
    const small = new MysqlChecksum(legacy.target, { applicationName: 'dbps test' });
    const other = new MysqlChecksum(service.target, { applicationName: 'dbps test' });
    try {
      const [map, table] = await bothSides('id int PRIMARY KEY, a text, b text, c text');
      for (const side of [legacy, service])
        await side.query(
          `INSERT INTO ${table} VALUES (1, REPEAT('a', 60000), REPEAT('b', 60000), REPEAT('c', 60000))`,
        );
      const options = { isStrict: false, peer: 'mysql' } as const;
      const method = compareMethods(
        await small.method(map, 'source', options),
        await other.method(map, 'target', options),
      );
      const hashes = async () => [
        await small.hash(map, whole(map), method, 'source'),
        await other.hash(map, whole(map), method, 'target'),
      ];
      const [a, b] = await hashes();
      expect(a).toEqual(b);
      await service.query(`UPDATE ${table} SET c = CONCAT('x', c)`);
      const [c, d] = await hashes();
      expect(c).not.toEqual(d);
    } finally {
      await server.query(`SET GLOBAL max_allowed_packet = ${before?.['packet'] as string}`);
      await Promise.all([small.close(), other.close()]);
    }
  });

  test('any two bigints, decimals, doubles or texts that differ', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, i bigint, n decimal(60,30), d double, t text');
    const row = fc.tuple(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      fc
        .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n }), fc.bigInt({ min: 0n, max: 10n ** 29n }))
        .map(([digits, rest]) => `${digits}.${rest}`),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((d) => (Object.is(d, -0) ? 0 : d)),
      fc.string({ unit: 'grapheme' }),
    );
    const set = (side: MysqlTestDatabase, values: readonly unknown[]) =>
      side.query(`REPLACE INTO ${table} VALUES (1, ?, ?, CAST(? AS DOUBLE), ?)`, [...values]);
    await fc.assert(
      fc.asyncProperty(row, row, async (a, b) => {
        await set(legacy, a);
        await set(service, b);
        const [left] = await source.rows(map, [['1']], await methodOf(map), 'source');
        const [right] = await target.rows(map, [['1']], await methodOf(map), 'target');
        expect(left?.values[3]).toBe(String(a[2]));
        expect(await isEqual(map)).toBe(JSON.stringify(left) === JSON.stringify(right));
        await set(service, a);
        expect(await isEqual(map)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe('taken for equal', () => {
  test.each([
    ['varchar(9) CHARACTER SET latin1', 'varchar(9)', "'né€'"],
    ['text CHARACTER SET utf16', 'longtext', "'né'"],
    ['datetime', 'datetime(6)', "'2020-01-01 00:00:00'"],
    ['time(3)', 'time', "'-12:00:01'"],
    ['int', 'bigint', '-5'],
    ['float', 'double', '0.5'],
    ['blob', 'longblob', "x'00ff'"],
    ["enum('a','b')", "enum('b','a')", "'b'"],
    ['char(5)', 'varchar(5)', "'a'"],
  ])('%s and %s: %s', async (a, b, value) => {
    const [map, table] = await bothSides(`id int PRIMARY KEY, v ${a}`, `id int PRIMARY KEY, v ${b}`);
    await legacy.query(`INSERT INTO ${table} VALUES (1, ${value})`);
    await service.query(`INSERT INTO ${table} VALUES (1, ${value})`);
    expect(await isEqual(map)).toBe(true);
  });

  test('-0 and 0, and says so', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, v double');
    await legacy.query(`INSERT INTO ${table} VALUES (1, -0e0)`);
    await service.query(`INSERT INTO ${table} VALUES (1, 0)`);
    expect(await isEqual(map)).toBe(true);
    expect((await methodOf(map)).columns[1]).toMatchObject({ column: 'v', note: '-0 counts as 0' });
  });

  test('what is not compared is named: generated columns, and columns outside the plan', async () => {
    const columns = 'id int PRIMARY KEY, a int, twice int AS (a * 2) STORED';
    const [map] = await bothSides(columns, `${columns}, extra text`);
    expect((await methodOf(map)).notCompared).toEqual([
      { column: 'twice', reason: 'generated by the server' },
      { column: 'extra', reason: 'not in the plan' },
    ]);
  });
});

describe('ranges', () => {
  async function everyRowOnce(map: RelationMap, rowsPerChunk: number) {
    const method = await methodOf(map);
    const ranges = await source.ranges(map, rowsPerChunk, method, 'source');
    let rows = 0;
    for (const range of ranges) {
      const a = await source.hash(map, range, method, 'source');
      expect(await target.hash(map, range, method, 'target')).toEqual(a);
      rows += a.rows;
    }
    return { rows, ranges, method };
  }

  test.each([
    ['k int PRIMARY KEY', 'CAST(seq AS SIGNED) * 7 - 900'],
    ['k bigint unsigned PRIMARY KEY', '18446744073709551615 - seq'],
    ['k decimal(20,3) PRIMARY KEY', 'seq / 3'],
    ['k double PRIMARY KEY', 'seq / 7'],
    ['k varchar(40) PRIMARY KEY', "CONCAT(ELT(1 + seq % 5, 'a', 'B', 'é', 'Z', '_'), seq)"],
    ['k varchar(40) CHARACTER SET latin1 PRIMARY KEY', "CONCAT(ELT(1 + seq % 3, 'é', 'B', 'ü'), seq)"],
    ['k binary(16) PRIMARY KEY', 'UNHEX(MD5(CONCAT(seq)))'],
    ['k datetime(3) PRIMARY KEY', "'2020-01-01' + INTERVAL seq SECOND"],
    ['k bit(12) PRIMARY KEY', 'seq'],
  ])('%s', async (column, expression) => {
    const [map, table] = await bothSides(`${column}, v int`, undefined, ['k']);
    for (const side of [legacy, service])
      await side.query(`INSERT INTO ${table} SELECT ${expression}, seq FROM seq_1_to_500`);
    const { rows, ranges } = await everyRowOnce(map, 60);
    expect(rows).toBe(500);
    // Nine where the index is walked; about as many where an integer key is cut by estimates.
    expect(ranges.length).toBeGreaterThan(5);
    expect(ranges.length).toBeLessThan(14);
  });

  test('a composite key, one part of it an enum, is cut where its index is', async () => {
    const columns = "a int, e enum('z','m','a'), b varchar(9), PRIMARY KEY (a, e, b)";
    const [map, table] = await bothSides(columns, undefined, ['a', 'e', 'b']);
    for (const side of [legacy, service])
      await side.query(
        `INSERT INTO ${table} SELECT seq DIV 100, 1 + seq % 3, CONCAT('b', seq) FROM seq_1_to_600`,
      );
    const { rows, ranges } = await everyRowOnce(map, 50);
    expect(rows).toBe(600);
    expect(ranges).toHaveLength(12);
  });

  test('the sides order text differently: ranges by bytes, still every row once', async () => {
    const [map, table] = await bothSides(
      'k varchar(40) PRIMARY KEY, v int',
      'k varchar(40) COLLATE utf8mb4_bin PRIMARY KEY, v int',
      ['k'],
    );
    for (const side of [legacy, service])
      await side.query(
        `INSERT INTO ${table} SELECT CONCAT(ELT(1 + seq % 5, 'a', 'B', 'é', 'Z', '_'), seq), seq FROM seq_1_to_2000`,
      );
    const { rows, ranges, method } = await everyRowOnce(map, 20);
    expect(method.order).toEqual(['bytes']);
    expect(ranges).toHaveLength(10);
    expect(rows).toBe(2000);
    // In the order of one side, the other would find other rows in a range.
    const native = { ...method, order: ['value'] };
    const cuts = await source.ranges(map, 200, native, 'source');
    const both = await Promise.all(
      cuts.map(async (cut) => [
        await source.hash(map, cut, native, 'source'),
        await target.hash(map, cut, native, 'target'),
      ]),
    );
    expect(both.some(([a, b]) => a?.hash !== b?.hash)).toBe(true);
  });

  test('the last range is as large as what is left, not as large as it might be', async () => {
    const [map] = await bothSides('k varchar(9) PRIMARY KEY', undefined, ['k']);
    const ranges = await source.ranges(map, 50_000, await methodOf(map), 'source');
    expect(ranges).toHaveLength(1);
    expect(ranges[0]?.estimatedRows).toBeLessThan(10_000);
  });

  test('rows, their hashes, and SQL that repairs them', async () => {
    const [map, table] = await bothSides(
      '`Id` int, k varchar(9), v text, n decimal(9,2), b blob, t timestamp(2) NULL, PRIMARY KEY (`Id`, k), UNIQUE (n)',
      undefined,
      ['Id', 'k'],
    );
    await legacy.query(
      `INSERT INTO ${table} VALUES (1, 'o''k', 'a\\\\b', 1.50, x'00ff', '2020-01-01 00:00:00.25'), (2, 'x', NULL, 2, NULL, NULL)`,
    );
    await service.query(
      `INSERT INTO ${table} VALUES (1, 'o''k', 'other', 1.50, '', NULL), (2, 'X', 'not x', 7, NULL, NULL), (3, 'y', 'too many', 3, NULL, NULL)`,
    );
    const method = await methodOf(map);
    const left = await source.rowHashes(map, whole(map), method, 'source');
    expect(left.map((row) => row.key).sort()).toEqual([
      ['1', "o'k"],
      ['2', 'x'],
    ]);
    const asked = [
      ['2', 'x'],
      ['9', 'z'],
    ];
    expect(await source.keyHashes(map, asked, method, 'source')).toEqual([
      left.find((row) => row.key[0] === '2'),
    ]);
    const rows = await source.rows(map, [['1', "o'k"], asked[0] as string[]], method, 'source');
    expect(rows.find((row) => row.key[0] === '1')?.values).toEqual([
      '1',
      "o'k",
      'a\\b',
      '1.50',
      '\\x00ff',
      '2020-01-01 00:00:00.25',
    ]);
    for (const row of rows) await service.query(target.repairSql(map, row.key, row.values, method, 'target'));
    await service.query(target.repairSql(map, ['2', 'X'], null, method, 'target'));
    await service.query(target.repairSql(map, ['3', 'y'], null, method, 'target'));
    expect(await isEqual(map)).toBe(true);
  });

  test('an abort ends the statement on the server', async () => {
    const [map, table] = await bothSides('id int PRIMARY KEY, v text');
    await legacy.query(`INSERT INTO ${table} SELECT seq, REPEAT('x', 60000) FROM seq_1_to_400`);
    const method = await methodOf(map);
    const aborting = new AbortController();
    // Keeps the statement waiting where it can be seen.
    const holder = await legacy.connect();
    await holder.query(`LOCK TABLES ${table} WRITE`);
    const hashing = source.hash(map, whole(map), method, 'source', aborting.signal);
    const settled = expect(hashing).rejects.toThrow();
    const running = async () => {
      const processes = await server.query('SELECT info FROM information_schema.processlist');
      return processes.filter(({ info }) => String(info).includes('BIT_XOR')).length;
    };
    await expect.poll(running).toBe(1);
    aborting.abort();
    await settled;
    await expect.poll(running).toBe(0);
    await holder.query('UNLOCK TABLES');
  });
});

test('orphans, counters and sequences', async () => {
  await legacy.query(`CREATE TABLE parents (id int AUTO_INCREMENT PRIMARY KEY);
    CREATE TABLE children (id int PRIMARY KEY, parent_id int);
    CREATE TABLE small (id tinyint unsigned AUTO_INCREMENT PRIMARY KEY, n int);
    INSERT INTO parents VALUES (1), (2); INSERT INTO children VALUES (1, 1), (2, NULL), (3, 7), (4, 7), (5, 8);
    INSERT INTO small VALUES (40, 1); UPDATE small SET id = 90;`);
  const at = (name: string) => `${legacy.name}.${name}`;
  const reference = {
    child: at('children'),
    childColumns: ['parent_id'],
    parent: at('parents'),
    parentColumns: ['id'],
  };
  const found = await source.orphans(reference, 10);
  expect(found.count).toBe(3);
  expect([...found.sample].sort()).toEqual([['7'], ['8']]);
  expect(await source.sequences([at('parents'), at('small'), at('children'), at('nothing')])).toEqual([
    { id: at('parents'), next: '3', increment: '1', minimum: '1', maximum: '2147483647', cache: '1' },
    { id: at('small'), next: '91', increment: '1', minimum: '1', maximum: '255', cache: '1' },
  ]);
});
