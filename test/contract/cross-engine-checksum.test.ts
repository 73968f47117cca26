/** PostgreSQL and MySQL make the same text of the same value: equal rows hash alike on both, and whatever differs is told apart. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Checksum, Chunk, RelationMap, Side } from '../../src/engines/engine.js';
import { MysqlChecksum } from '../../src/engines/mysql/mysql-checksum.js';
import { PostgresChecksum } from '../../src/engines/postgres/postgres-checksum.js';
import { agreeOnMethod } from '../../src/verification/compare-methods.js';
import { startMysqlServer, type MysqlTestDatabase, type MysqlTestServer } from '../support/mariadb.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let server: MysqlTestServer;
let mysql: MysqlTestDatabase;
let postgres: TestDatabase;
let sides: Record<'postgres' | 'mysql', { engine: 'postgres' | 'mysql'; checksum: Checksum }>;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  server = await startMysqlServer();
  mysql = await server.createDatabase();
  postgres = await createTestDatabase(
    'legacy',
    `CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE TYPE pair AS (a integer, b text); CREATE DOMAIN label AS text; SET timezone = 'Asia/Tokyo'`,
  );
  await mysql.query("SET sql_mode = '', time_zone = '+00:00'");
  const options = { applicationName: 'dbps test' };
  const there = new PostgresChecksum(postgres.target, options);
  const here = new MysqlChecksum(mysql.target, options);
  closing.push(
    () => there.close(),
    () => here.close(),
  );
  sides = {
    postgres: { engine: 'postgres', checksum: there },
    mysql: { engine: 'mysql', checksum: here },
  };
});
afterAll(async () => {
  for (const close of closing) await close();
  await Promise.all([mysql.drop(), postgres.drop()]);
  await server.stop();
});

interface Column {
  readonly name: string;
  readonly postgres: string;
  readonly mysql: string;
}

let tables = 0;
/** Legacy is PostgreSQL: a map in that direction, and the table's name. */
async function bothSides(columns: readonly Column[], key: readonly string[] = ['id']) {
  const table = `x${++tables}`;
  const all = columns.some(({ name }) => key.includes(name))
    ? columns
    : [{ name: 'id', postgres: 'integer', mysql: 'int' }, ...columns];
  const primary = `PRIMARY KEY (${key.join(', ')})`;
  await postgres.query(
    `CREATE TABLE ${table} (${all.map((c) => `${c.name} ${c.postgres}`).join(', ')}, ${primary})`,
  );
  await mysql.query(
    `CREATE TABLE ${table} (${all.map((c) => `${c.name} ${c.mysql}`).join(', ')}, ${primary})`,
  );
  const types = await postgres.query<{ name: string; type: string }>(
    'SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum',
    [table],
  );
  const map: RelationMap = {
    source: `public.${table}`,
    target: `${mysql.name}.${table}`,
    columns: all.map(({ name, mysql: type }, i) => ({
      name,
      target: name,
      sourceType: types[i]?.type ?? '',
      targetType: type.replace(/ (CHARACTER SET|COLLATE|NOT NULL).*/, ''),
    })),
    key,
    leaves: [`public.${table}`],
    hasOtherUniqueness: false,
  };
  return { map, table };
}

const whole = (map: RelationMap): Chunk => ({
  relation: map.source,
  index: 0,
  from: null,
  to: null,
  estimatedRows: 0,
});

const agreed = (map: RelationMap, isStrict = false) =>
  agreeOnMethod({ source: sides.postgres, target: sides.mysql }, map, isStrict);

async function isEqual(map: RelationMap, isStrict = false): Promise<boolean> {
  const method = await agreed(map, isStrict);
  expect(method.notCompared).toEqual([]);
  const both = await Promise.all(
    (['source', 'target'] as Side[]).map(async (side) => {
      const { checksum } = side === 'source' ? sides.postgres : sides.mysql;
      const range = await checksum.hash(map, whole(map), method, side);
      const rows = await checksum.rowHashes(map, whole(map), method, side);
      const summed = await checksum.hash(map, whole(map), { ...method, name: SUM }, side);
      return { range, summed, rows: rows.map((row) => JSON.stringify(row)).sort() };
    }),
  );
  const [a, b] = both.map(({ range }) => JSON.stringify(range));
  const isSame = a === b;
  expect(JSON.stringify(both[0]?.rows) === JSON.stringify(both[1]?.rows)).toBe(isSame);
  expect(JSON.stringify(both[0]?.summed) === JSON.stringify(both[1]?.summed)).toBe(isSame);
  return isSame;
}
const SUM = 'MD5 of canonical text, sum over rows';

type Case = [postgres: string, mysql: string, here: string, there: string, other: string];

describe('the same value, and another one', () => {
  const cases: Case[] = [
    ['smallint', 'tinyint(1)', '1', '1', '2'],
    ['boolean', 'tinyint(1)', 'true', '1', '0'],
    ['boolean', 'bit(1)', 'false', "b'0'", "b'1'"],
    ['integer', 'int', '-5', '-5', '5'],
    ['integer', 'int(6) zerofill', '12', '12', '120'],
    ['bigint', 'bigint', '-9223372036854775808', '-9223372036854775808', '-9223372036854775807'],
    [
      'numeric(20,0)',
      'bigint unsigned',
      '18446744073709551615',
      '18446744073709551615',
      '1844674407370955161',
    ],
    ['smallint', 'year', '2024', '2024', '2025'],
    ['numeric', 'decimal(65,30)', '100', '100', '1'],
    ['numeric', 'decimal(65,30)', '-0.10', '-0.1', '0.1'],
    ['numeric(10,4)', 'decimal(10,4)', '1.5', '1.5', '1.5001'],
    ['money', 'decimal(10,2)', '12.5', '12.5', '12.51'],
    ['double precision', 'double', '0.1', '0.1', '0.10000000000000002'],
    ['double precision', 'double', "'-0'", '0', '5e-324'],
    ['double precision', 'double', '1e300', '1e300', '1.0000000000000002e300'],
    ['real', 'float', '0.1', '0.1', '0.2'],
    ['real', 'float', '16777215', '16777215', '16777216'],
    ['real', 'double', '0.1', '0.1', '0.10001'],
    ['text', 'longtext', "E'é\\n\\\\ ''x'' 😀'", "'é\\n\\\\ ''x'' 😀'", "'e'"],
    ['text', 'longtext', "''", "''", 'NULL'],
    ['text', 'longtext', "'-'", "'-'", 'NULL'],
    ['text', 'longtext', "'a'", "'a'", "'a '"],
    ['text', 'text CHARACTER SET latin1', "'é€'", "'é€'", "'é'"],
    ['varchar(40)', 'varchar(40)', "'a,b'", "'a,b'", "'A,b'"],
    ['varchar(40)', 'varchar(40) CHARACTER SET latin1', "'ü'", "'ü'", "'u'"],
    ['varchar(9)', 'char(9)', "'a'", "'a'", "'b'"],
    ['char(5)', 'char(5)', "'a'", "'a'", "'b'"],
    ['char(5)', 'varchar(5)', "'a'", "'a    '", "' a'"],
    ['"char"', 'longtext', "'x'", "'x'", "'y'"],
    ['xml', 'longtext', "'<a/>'", "'<a/>'", "'<a></a>'"],
    ['bytea', 'longblob', "'\\x00ff'", "x'00ff'", "x'00'"],
    ['bytea', 'varbinary(9)', "''", "''", "x'00'"],
    ['bytea', 'varbinary(9)', "'\\x2d'", "x'2d'", 'NULL'],
    ['bytea', 'binary(2)', "'\\x6100'", "'a'", "'a '"],
    [
      'bytea',
      'geometry',
      "'\\x00000000010100000000000000000000000000000000000000'",
      'POINT(0,0)',
      'POINT(0,1)',
    ],
    ['date', 'date', "'2020-02-29'", "'2020-02-29'", "'0000-00-00'"],
    ['date', 'datetime', "'2020-02-29'", "'2020-02-29'", "'2020-02-29 00:00:01'"],
    ['timestamp', 'datetime(6)', "'2020-01-01 10:00'", "'2020-01-01 10:00'", "'2020-01-01 10:00:00.000001'"],
    [
      'timestamp(3)',
      'datetime(3)',
      "'2020-01-01 10:00:00.12'",
      "'2020-01-01 10:00:00.12'",
      "'2020-01-01 10:00:00.012'",
    ],
    ['timestamptz', 'datetime(6)', "'2020-01-01 10:00+09'", "'2020-01-01 01:00'", "'2020-01-01 10:00'"],
    ['timestamptz(0)', 'timestamp', "'2020-06-01 10:00+00'", "'2020-06-01 10:00'", "'2020-06-01 09:00'"],
    ['time', 'time(6)', "'23:59:59.5'", "'23:59:59.5'", "'23:59:59.05'"],
    ['time', 'time', "'24:00'", "'24:00'", "'00:00'"],
    ['interval', 'time', "'-838:59:59'", "'-838:59:59'", "'838:59:59'"],
    ['interval', 'time(6)', "'1 day -02:00:00.5'", "'21:59:59.5'", "'22:00:00.5'"],
    ['interval', 'longtext', "'1 mon 2 days'", "'1 mon 2 days'", "'1 mon 3 days'"],
    [
      'uuid',
      'char(36)',
      "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'",
      "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380A11'",
      "''",
    ],
    [
      'uuid',
      'binary(16)',
      "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
      "x'a0eebc999c0b4ef8bb6d6bb9bd380a11'",
      "x'a1eebc999c0b4ef8bb6d6bb9bd380a11'",
    ],
    [
      'uuid',
      'uuid',
      "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
      "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
      "'00000000-9c0b-4ef8-bb6d-6bb9bd380a11'",
    ],
    ['bit(12)', 'bit(12)', "B'000000000101'", "b'101'", "b'111'"],
    ['varbit', 'longtext', "B'0101'", "'0101'", "'101'"],
    ['mood', "enum('ok','sad')", "'ok'", "'ok'", "'sad'"],
    ['text', "enum('ok','sad')", "'sad'", "'sad'", "'ok'"],
    ['text[]', "set('a','b')", "'{a,b}'", "'b,a'", "'a'"],
    ['text[]', "set('a','b')", "'{}'", "''", 'NULL'],
    [
      'jsonb',
      'json',
      `'{"bb":[1.0,{"x":null}],"a":"é\\u00e9"}'`,
      `'{"a": "éé", "bb": [1, {"x": null}]}'`,
      `'{"a": "é", "bb": [1, {"x": null}]}'`,
    ],
    ['jsonb', 'json', `'null'`, `'null'`, 'NULL'],
    ['json', 'longtext', `'[1, 2]'`, `'[1,2]'`, `'[2,1]'`],
    ['jsonb', 'json', `'[9007199254740993]'`, `'[9007199254740993]'`, `'[9007199254740992]'`],
    ['integer[]', 'json', "'{{1,2},{3,NULL}}'", `'[["1","2"],["3",null]]'`, `'[["1","2","3",null]]'`],
    [
      'text[]',
      'longtext',
      `'{"a,b","c\\"d","NULL",NULL}'`,
      `'["a,b","c\\\\"d","NULL",null]'`,
      `'["a,b","c\\\\"d",null,null]'`,
    ],
    ['inet', 'varchar(49)', "'10.0.0.1'", "'10.0.0.1'", "'10.0.0.1/32'"],
    ['inet', 'inet6', "'::1'", "'::1'", "'::2'"],
    ['cidr', 'varchar(49)', "'10.0.0.0/8'", "'10.0.0.0/8'", "'10.0.0.0'"],
    ['int4range', 'longtext', "'[1,5)'", "'[1,5)'", "'[1,6)'"],
    ['tsvector', 'longtext', "'a:1'", "'''a'':1'", "'''a'':2'"],
    ['pair', 'longtext', "ROW(1, 'x y')::pair", `'(1,"x y")'`, `'(1,x)'`],
    ['label', 'varchar(9)', "'v'", "'v'", "'w'"],
  ];
  test.each(cases)('%s and %s: %s and %s, not %s', async (type, counterpart, here, there, other) => {
    const { map, table } = await bothSides([{ name: 'v', postgres: type, mysql: counterpart }]);
    await postgres.query(`INSERT INTO ${table} VALUES (1, ${here}), (2, NULL)`);
    await mysql.query(`INSERT INTO ${table} VALUES (1, ${there}), (2, NULL)`);
    expect(await isEqual(map)).toBe(true);

    // What is shown and repaired is the same text on both sides.
    const method = await agreed(map);
    const keys = [['1'], ['2']];
    const byKey = <T extends { key: readonly string[] }>(rows: readonly T[]) =>
      [...rows].sort((a, b) => Number(a.key[0]) - Number(b.key[0]));
    const left = byKey(await sides.postgres.checksum.rows(map, keys, method, 'source'));
    expect(byKey(await sides.mysql.checksum.rows(map, keys, method, 'target'))).toEqual(left);

    await mysql.query(`UPDATE ${table} SET v = ${other} WHERE id = 1`);
    expect(await isEqual(map)).toBe(false);
    const [row] = left;
    await mysql.query(sides.mysql.checksum.repairSql(map, ['1'], row?.values ?? null, method, 'target'));
    expect(await isEqual(map)).toBe(true);

    await postgres.query(`DELETE FROM ${table}`);
    for (const { key, values } of left)
      await postgres.query(sides.postgres.checksum.repairSql(map, key, values, method, 'source'));
    expect(await isEqual(map)).toBe(true);
    await mysql.query(sides.mysql.checksum.repairSql(map, ['2'], null, method, 'target'));
    expect(await isEqual(map)).toBe(false);
  });
});

describe('any value', () => {
  const micros = fc.integer({ min: 0, max: 999_999 }).map((n) => String(n).padStart(6, '0'));
  const day = fc.date({ min: new Date('1000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
  const text = fc.string({ unit: 'grapheme', maxLength: 30 }).map((s) => s.replaceAll('\0', ''));
  const columns: (Column & { values: fc.Arbitrary<string | null> })[] = [
    {
      name: 'i',
      postgres: 'bigint',
      mysql: 'bigint',
      values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
    },
    {
      name: 'n',
      postgres: 'numeric',
      mysql: 'decimal(65,30)',
      values: fc
        .tuple(fc.bigInt({ min: -(10n ** 34n), max: 10n ** 34n }), fc.bigInt({ min: 0n, max: 10n ** 29n }))
        .map(([a, b]) => `${a}.${b}`),
    },
    {
      name: 'd',
      postgres: 'double precision',
      mysql: 'double',
      values: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    },
    {
      name: 'f',
      postgres: 'real',
      mysql: 'float',
      values: fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
    },
    { name: 't', postgres: 'text', mysql: 'longtext', values: text },
    { name: 'v', postgres: 'varchar(99)', mysql: 'varchar(99)', values: text },
    {
      name: 'b',
      postgres: 'bytea',
      mysql: 'longblob',
      values: fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
    },
    { name: 'day', postgres: 'date', mysql: 'date', values: day.map((d) => d.toISOString().slice(0, 10)) },
    {
      name: 'ts',
      postgres: 'timestamptz',
      mysql: 'datetime(6)',
      values: fc.tuple(day, micros).map(([d, f]) => `${d.toISOString().slice(0, 19).replace('T', ' ')}.${f}`),
    },
    { name: 'u', postgres: 'uuid', mysql: 'char(36)', values: fc.uuid() },
    {
      name: 'j',
      postgres: 'jsonb',
      mysql: 'json',
      values: fc
        .json({ noUnicodeString: false })
        .filter((j) => !j.includes('\\u0000') && !/\\ud[89a-f]/i.test(j)),
    },
    {
      name: 'a',
      postgres: 'text[]',
      mysql: 'json',
      values: fc.array(fc.option(text), { maxLength: 4 }).map((list) => JSON.stringify(list)),
    },
  ];
  const placeholders = {
    postgres: columns.map((c, i) =>
      c.name === 'a'
        ? `CASE WHEN $${i + 2}::jsonb IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text($${i + 2}::jsonb)) END`
        : c.name === 'ts'
          ? `$${i + 2}::timestamp AT TIME ZONE 'UTC'`
          : `$${i + 2}::${c.postgres}`,
    ),
    mysql: columns.map((c) =>
      c.name === 'b' ? 'UNHEX(SUBSTR(?, 3))' : c.name === 'd' || c.name === 'f' ? 'CAST(? AS DOUBLE)' : '?',
    ),
  };
  const row = fc.tuple(...columns.map(({ values }) => fc.option(values, { freq: 8 })));

  test('is equal to itself on both sides; one changed column is found', async () => {
    const { map, table } = await bothSides(columns);
    const write = async (values: readonly (string | null)[], side: 'postgres' | 'mysql') =>
      side === 'postgres'
        ? postgres
            .query(`DELETE FROM ${table}; `)
            .then(() =>
              postgres.query(`INSERT INTO ${table} VALUES ($1, ${placeholders.postgres.join(', ')})`, [
                1,
                ...values,
              ]),
            )
        : mysql.query(`REPLACE INTO ${table} VALUES (?, ${placeholders.mysql.join(', ')})`, [1, ...values]);
    await fc.assert(
      fc.asyncProperty(row, row, fc.nat({ max: columns.length - 1 }), async (a, b, changed) => {
        await write(a, 'postgres');
        await write(a, 'mysql');
        expect(await isEqual(map)).toBe(true);
        const other = a.map((value, i) => (i === changed ? (b[i] ?? null) : value));
        await write(other, 'mysql');
        const method = await agreed(map);
        const [left] = await sides.postgres.checksum.rows(map, [['1']], method, 'source');
        const [right] = await sides.mysql.checksum.rows(map, [['1']], method, 'target');
        expect(await isEqual(map)).toBe(JSON.stringify(left) === JSON.stringify(right));
        if (a[changed] !== other[changed] && (a[changed] === null || other[changed] === null))
          expect(left).not.toEqual(right);
      }),
      { numRuns: 60 },
    );
  });
});

test('strict: what is written differently differs', async () => {
  const { map, table } = await bothSides([
    { name: 'v', postgres: 'numeric', mysql: 'decimal(10,4)' },
    { name: 'j', postgres: 'jsonb', mysql: 'json' },
  ]);
  await postgres.query(`INSERT INTO ${table} VALUES (1, 1.10, '[1]')`);
  await mysql.query(`INSERT INTO ${table} VALUES (1, 1.10, '[1]')`);
  expect(await isEqual(map)).toBe(true);
  expect((await agreed(map)).columns.slice(1)).toMatchObject([
    { column: 'v', note: '1.0 counts as 1.00' },
    { column: 'j', note: 'compared by content; numbers in double precision' },
  ]);
  expect(await isEqual(map, true)).toBe(false);
  await postgres.query(`UPDATE ${table} SET v = 1.1000`);
  expect(await isEqual(map, true)).toBe(true);
  await mysql.query(`UPDATE ${table} SET j = '[1.0]'`);
  expect(await isEqual(map, true)).toBe(false);
});

test('what has no form in common is not compared, and not repaired either', async () => {
  const { map, table } = await bothSides([
    { name: 'v', postgres: 'date', mysql: 'int' },
    { name: 'w', postgres: 'integer', mysql: 'int' },
  ]);
  await postgres.query(`INSERT INTO ${table} VALUES (1, '2020-01-01', 1)`);
  await mysql.query(`INSERT INTO ${table} VALUES (1, 7, 1)`);
  const method = await agreed(map);
  expect(method.notCompared).toEqual([
    { column: 'v', reason: expect.stringContaining('date and int have no form in common') as string },
  ]);
  expect(await sides.mysql.checksum.hash(map, whole(map), method, 'target')).toEqual(
    await sides.postgres.checksum.hash(map, whole(map), method, 'source'),
  );
  for (const engine of ['postgres', 'mysql'] as const)
    expect(
      sides[engine].checksum.repairSql(
        map,
        ['1'],
        ['1', null, '1'],
        method,
        engine === 'postgres' ? 'source' : 'target',
      ),
    ).toMatch(/^-- public\.x\d+ \(1\): not repaired from here, since v /);
});

test('a hundred and fifty columns', async () => {
  const many = Array.from({ length: 150 }, (_, i) => ({ name: `c${i}`, postgres: 'integer', mysql: 'int' }));
  const { map, table } = await bothSides(many);
  for (const side of [postgres, mysql])
    await side.query(`INSERT INTO ${table} VALUES (1, ${many.map((_, i) => i).join(', ')})`);
  expect(await isEqual(map)).toBe(true);
  await mysql.query(`UPDATE ${table} SET c149 = 0`);
  expect(await isEqual(map)).toBe(false);
});

describe('ranges', () => {
  const series = 'generate_series(1, 600) g';
  const keys: [name: string, columns: Column[], here: string, there: string, order: string[]][] = [
    [
      'integers',
      [{ name: 'k', postgres: 'bigint', mysql: 'bigint' }],
      'g * 7 - 900',
      'CAST(seq AS SIGNED) * 7 - 900',
      ['number'],
    ],
    [
      'decimals',
      [{ name: 'k', postgres: 'numeric', mysql: 'decimal(20,3)' }],
      'g / 8.0 - 9',
      'CAST(seq AS SIGNED) / 8 - 9',
      ['number'],
    ],
    [
      'doubles',
      [{ name: 'k', postgres: 'double precision', mysql: 'double' }],
      'g / 8::float8',
      'seq / 8e0',
      ['number'],
    ],
    [
      'uuid in sixteen bytes',
      [{ name: 'k', postgres: 'uuid', mysql: 'binary(16)' }],
      'md5(g::text)::uuid',
      'UNHEX(MD5(CONCAT(seq)))',
      ['uuid'],
    ],
    [
      'uuid as text',
      [{ name: 'k', postgres: 'uuid', mysql: 'char(36) CHARACTER SET ascii' }],
      'md5(g::text)::uuid',
      "INSERT(INSERT(INSERT(INSERT(MD5(CONCAT(seq)), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')",
      ['uuid'],
    ],
    [
      // It takes only what it knows the version and variant of.
      'MariaDB’s own uuid',
      [{ name: 'k', postgres: 'uuid', mysql: 'uuid' }],
      "overlay(overlay(md5(g::text) placing '4' from 13) placing 'a' from 17)::uuid",
      "INSERT(INSERT(MD5(CONCAT(seq)), 13, 1, '4'), 17, 1, 'a')",
      ['bytes'],
    ],
    [
      'bytes',
      [{ name: 'k', postgres: 'bytea', mysql: 'varbinary(20)' }],
      "decode(md5(g::text), 'hex')",
      'UNHEX(MD5(CONCAT(seq)))',
      ['bytes of the value'],
    ],
    [
      'instants',
      [{ name: 'k', postgres: 'timestamptz', mysql: 'datetime(6)' }],
      "timestamptz '2020-01-01 00:00+00' + g * interval '1.5 s'",
      "'2020-01-01' + INTERVAL seq * 1500000 MICROSECOND",
      ['instant'],
    ],
    [
      'text in any collation',
      [{ name: 'k', postgres: 'text', mysql: 'varchar(40)' }],
      "(ARRAY['a','B','é','Z','_'])[1 + g % 5] || g",
      "CONCAT(ELT(1 + seq % 5, 'a', 'B', 'é', 'Z', '_'), seq)",
      ['bytes'],
    ],
  ];
  test.each(keys)('%s', async (_, columns, here, there, order) => {
    const { map, table } = await bothSides(
      [...columns, { name: 'v', postgres: 'integer', mysql: 'int' }],
      ['k'],
    );
    await postgres.query(`INSERT INTO ${table} SELECT ${here}, g FROM ${series}`);
    await mysql.query(`INSERT INTO ${table} SELECT ${there}, seq FROM seq_1_to_600`);
    await everyRowOnce(map, order, 600);
  });

  test('a composite key: only its text is ordered by bytes', async () => {
    const { map, table } = await bothSides(
      [
        { name: 'a', postgres: 'integer', mysql: 'int' },
        { name: 'k', postgres: 'text', mysql: "enum('b','a','C')" },
        { name: 'u', postgres: 'uuid', mysql: 'binary(16)' },
      ],
      ['a', 'k', 'u'],
    );
    await postgres.query(
      `INSERT INTO ${table} SELECT g % 4, (ARRAY['b','a','C'])[1 + g % 3], md5(g::text)::uuid FROM ${series}`,
    );
    await mysql.query(
      `INSERT INTO ${table} SELECT seq % 4, 1 + seq % 3, UNHEX(MD5(CONCAT(seq))) FROM seq_1_to_600`,
    );
    await everyRowOnce(map, ['number', 'bytes', 'uuid'], 600);
  });

  async function everyRowOnce(map: RelationMap, order: string[], total: number) {
    const method = await agreed(map);
    expect(method.order).toEqual(order);
    for (const [owner, side] of [
      [sides.postgres, 'source'],
      [sides.mysql, 'target'],
    ] as const) {
      const rowsPerChunk = order.includes('bytes') ? 8 : 80;
      const ranges = await owner.checksum.ranges(map, rowsPerChunk, method, side);
      expect(ranges.length).toBeGreaterThan(5);
      let rows = 0;
      for (const range of ranges) {
        const a = await sides.postgres.checksum.hash(map, range, method, 'source');
        expect(await sides.mysql.checksum.hash(map, range, method, 'target')).toEqual(a);
        rows += a.rows;
      }
      expect(rows).toBe(total);
      const [some] = await Promise.all([
        sides.mysql.checksum.rowHashes(map, ranges[1] as Chunk, method, 'target'),
      ]);
      const asked = some.map(({ key }) => key);
      const sorted = (found: typeof some) => found.map((row) => JSON.stringify(row)).sort();
      expect(sorted(await sides.postgres.checksum.keyHashes(map, asked, method, 'source'))).toEqual(
        sorted(some),
      );
      expect(sorted(await sides.mysql.checksum.keyHashes(map, asked, method, 'target'))).toEqual(
        sorted(some),
      );
    }
  }
});
