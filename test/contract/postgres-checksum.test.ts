/** Comparing on the server: equal rows hash alike in any database, and whatever differs is told apart. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Chunk, RelationMap } from '../../src/engines/engine.js';
import { PostgresChecksum } from '../../src/engines/postgres/postgres-checksum.js';
import { compareMethods } from '../../src/verification/compare-methods.js';
import { mapOf } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

let legacy: TestDatabase;
let service: TestDatabase;
let source: PostgresChecksum;
let target: PostgresChecksum;
const types = `CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE TYPE pair AS (m mood, n numeric); CREATE DOMAIN positive AS numeric CHECK (value > 0)`;

beforeAll(async () => {
  [legacy, service] = await Promise.all([createTestDatabase('legacy', types), createTestDatabase('service')]);
  // Other identifiers for the same types.
  await service.query(`CREATE TYPE first AS ENUM ('x'); ${types}`);
  source = new PostgresChecksum(legacy.target, { applicationName: 'dbps test' });
  target = new PostgresChecksum(service.target, { applicationName: 'dbps test' });
});
afterAll(async () => {
  await Promise.all([source.close(), target.close()]);
  await Promise.all([legacy.drop(), service.drop()]);
});

let tables = 0;
async function bothSides(columns: string): Promise<RelationMap> {
  const table = `public.c${++tables}`;
  for (const side of [legacy, service]) await side.query(`CREATE TABLE ${table} (${columns})`);
  return mapOf(legacy, table);
}

async function methodOf(map: RelationMap, isStrict = false) {
  const options = { isStrict, peer: 'postgres' } as const;
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

async function isEqual(map: RelationMap, isStrict = false): Promise<boolean> {
  const method = await methodOf(map, isStrict);
  const a = await source.hash(map, whole(map), method, 'source');
  const b = await target.hash(map, whole(map), method, 'target');
  return a.rows === b.rows && a.hash === b.hash;
}

test('a column that may be NULL since it was last looked at is asked for NULLs', async () => {
  const map = await bothSides('id int PRIMARY KEY, code text NOT NULL, note text');
  for (const side of [legacy, service]) await side.query(`INSERT INTO ${map.source} VALUES (1, 'a', 'same')`);
  expect(await isEqual(map)).toBe(true);
  for (const [side, note] of [
    [legacy, 'this'],
    [service, 'that'],
  ] as const) {
    await side.query(`ALTER TABLE ${map.source} ALTER code DROP NOT NULL`);
    await side.query(`UPDATE ${map.source} SET code = NULL, note = '${note}'`);
  }
  expect(await isEqual(map)).toBe(false);
});

describe('told apart', () => {
  const pairs: [type: string, a: string, b: string][] = [
    ['bigint', '1', '4294967296'],
    ['bigint', '-1', '4294967295'],
    ['integer', '0', 'NULL'],
    ['numeric', '5', '-5'],
    ['numeric(12,2)', '12.50', '-12.50'],
    ['numeric(12,2)', "'NaN'", '0'],
    ['numeric', "'NaN'", "'Infinity'"],
    ['numeric', "'Infinity'", "'-Infinity'"],
    ['numeric', '100', '1000'],
    ['double precision', "'NaN'", "'Infinity'"],
    ['double precision', '0.1', '0.10000000000000002'],
    ['text', "''", 'NULL'],
    ['text', "'a'", "'a '"],
    ['text COLLATE "en-x-icu"', "'é'", "'e' || chr(769)"],
    ['char(3)', "'a'", "'b'"],
    ['bytea', "'\\x00'", "'\\x0000'"],
    ['boolean', 'false', 'NULL'],
    ['timestamp', "'2000-01-01 00:00:00.000001'", "'2000-01-01 01:11:34.967296'"],
    ['timestamptz', "'infinity'", "'-infinity'"],
    ['timestamptz', "'2020-01-01 00:00+00'", "'2020-01-01 00:00+01'"],
    ['date', "'infinity'", "'-infinity'"],
    ['date', "'2020-01-01'", "'2020-01-02'"],
    ['time', "'00:00:00.000001'", "'01:11:34.967296'"],
    ['time', "'00:00'", "'24:00'"],
    ['timetz', "'12:00+00'", "'13:00+01'"],
    ['interval', "'1 day'", "'24:00'"],
    ['jsonb', `'{"a": 5}'`, `'{"a": -5}'`],
    ['jsonb', `'[[1], 2]'`, `'[[1, 2]]'`],
    ['jsonb', `'{"a": {"b": 1}, "c": 2}'`, `'{"a": {"b": 1, "c": 2}}'`],
    ['jsonb', "'null'", 'NULL'],
    ['json', `'{"a":1}'`, `'{"a": 1}'`],
    ['xml', "'<a/>'", "'<a></a>'"],
    ['integer[]', "'{1,2}'", "'{{1},{2}}'"],
    ['integer[]', "'{1,2}'", "'[0:1]={1,2}'"],
    ['integer[]', "'{}'", 'NULL'],
    ['text[]', "'{NULL}'", '\'{"NULL"}\''],
    ['pg_lsn', "'0/1'", "'1/0'"],
    ['bit varying', "B'0'", "B'00'"],
    ['money', "'1.00'", "'-1.00'"],
    ['point', "'(1,2)'", "'(2,1)'"],
    ['inet', "'10.0.0.1/8'", "'10.0.0.1/9'"],
    ['uuid', "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000010'"],
    ['int4range', "'empty'", "'(,)'"],
    ['tsvector', "'a:1'", "'a:2'"],
    ['mood', "'ok'", "'sad'"],
    ['mood[]', "'{ok,sad}'", "'{sad,ok}'"],
    ['pair', "ROW('ok', 1)::pair", "ROW('sad', 1)::pair"],
    ['positive', '1', '2'],
  ];
  test.each(pairs)('%s: %s and %s', async (type, a, b) => {
    const map = await bothSides(`id integer PRIMARY KEY, v ${type}`);
    const insert = (side: TestDatabase, value: string) =>
      side.query(`INSERT INTO ${map.source} VALUES (1, ${value})`);
    await insert(legacy, a);
    await insert(service, b);
    expect(await isEqual(map)).toBe(false);
    await service.query(`TRUNCATE ${map.source}`);
    await insert(service, a);
    expect(await isEqual(map)).toBe(true);
  });

  test('values swapped between two rows, or between two columns of one', async () => {
    const map = await bothSides('id integer PRIMARY KEY, a integer, b integer');
    await legacy.query(`INSERT INTO ${map.source} VALUES (1, 10, 11), (2, 20, 21)`);
    await service.query(`INSERT INTO ${map.source} VALUES (1, 20, 11), (2, 10, 21)`);
    expect(await isEqual(map)).toBe(false);
    await service.query(`TRUNCATE ${map.source}; INSERT INTO ${map.source} VALUES (1, 11, 10), (2, 20, 21)`);
    expect(await isEqual(map)).toBe(false);
    await service.query(`TRUNCATE ${map.source}; INSERT INTO ${map.source} VALUES (2, 20, 21), (1, 10, 11)`);
    expect(await isEqual(map)).toBe(true);
  });

  test('any two bigints, numerics or texts that differ', async () => {
    const map = await bothSides('id integer PRIMARY KEY, i bigint, n numeric, t text');
    const row = fc.tuple(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.tuple(fc.bigInt(), fc.integer({ min: 0, max: 30 })).map(([digits, scale]) => `${digits}e-${scale}`),
      fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\0', '')),
    );
    const set = (side: TestDatabase, values: readonly unknown[]) =>
      side.query(
        `INSERT INTO ${map.source} VALUES (1, $1, $2, $3) ON CONFLICT (id) DO UPDATE SET (i, n, t) = (excluded.i, excluded.n, excluded.t)`,
        [...values],
      );
    await fc.assert(
      fc.asyncProperty(row, row, async (a, b) => {
        await set(legacy, a);
        await set(service, b);
        const columns = 'i::text, n::text, t';
        const [left] = await legacy.query(`SELECT ${columns} FROM ${map.source}`);
        const [right] = await service.query(`SELECT ${columns} FROM ${map.source}`);
        expect(await isEqual(map, true)).toBe(JSON.stringify(left) === JSON.stringify(right));
      }),
      { numRuns: 40 },
    );
  });
});

describe('taken for equal, and said so', () => {
  test.each([
    ['numeric', '1.0', '1.00', '1.0 counts as 1.00'],
    ['double precision', "'-0'", "'0'", '-0 counts as 0'],
  ])('%s %s and %s, unless strict', async (type, a, b, note) => {
    const map = await bothSides(`id integer PRIMARY KEY, v ${type}`);
    await legacy.query(`INSERT INTO ${map.source} VALUES (1, ${a})`);
    await service.query(`INSERT INTO ${map.source} VALUES (1, ${b})`);
    expect(await isEqual(map)).toBe(true);
    expect((await methodOf(map)).columns[1]).toMatchObject({ column: 'v', note });
    expect(await isEqual(map, true)).toBe(false);
  });

  test('what is not compared is named: generated columns, and columns outside the plan', async () => {
    const map = await bothSides(
      'id integer PRIMARY KEY, a integer, twice integer GENERATED ALWAYS AS (a * 2) STORED',
    );
    await service.query(`ALTER TABLE ${map.source} ADD COLUMN extra text`);
    expect((await methodOf(map)).notCompared).toEqual([
      { column: 'twice', reason: 'generated by the server' },
      { column: 'extra', reason: 'not in the plan' },
    ]);
  });
});

describe('ranges', () => {
  test('the sides order text differently: ranges by bytes, still every row once', async () => {
    const map = await bothSides('id text PRIMARY KEY, v integer');
    await service.query(`ALTER TABLE ${map.source} ALTER COLUMN id TYPE text COLLATE "en-x-icu"`);
    const fill = `INSERT INTO ${map.source} SELECT (ARRAY['a','B','é','Z','_'])[1 + g % 5] || g, g FROM generate_series(1, 2000) g`;
    await legacy.query(fill);
    await service.query(fill);
    const method = await methodOf(map);
    expect(method.order).toEqual(['bytes']);
    const ranges = await source.ranges(map, 20, method, 'source');
    expect(ranges.length).toBeGreaterThan(5);
    let rows = 0;
    for (const range of ranges) {
      const a = await source.hash(map, range, method, 'source');
      expect(await target.hash(map, range, method, 'target')).toEqual(a);
      rows += a.rows;
    }
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

  test('rows, their hashes, and SQL that repairs them', async () => {
    const map = {
      ...(await bothSides('"Id" integer, k text, v text, n numeric, PRIMARY KEY ("Id", k)')),
      key: ['Id', 'k'],
    };
    await legacy.query(`INSERT INTO ${map.source} VALUES (1, 'o''k', E'a\\\\b', 1.50), (2, 'x', NULL, 2)`);
    await service.query(
      `INSERT INTO ${map.source} VALUES (1, 'o''k', 'other', 1.50), (3, 'y', 'too many', 3)`,
    );
    const method = await methodOf(map);
    const left = await source.rowHashes(map, whole(map), method, 'source');
    const right = await target.rowHashes(map, whole(map), method, 'target');
    expect(left.map((row) => row.key).sort()).toEqual([
      ['1', "o'k"],
      ['2', 'x'],
    ]);
    expect(right.map((row) => row.key).sort()).toEqual([
      ['1', "o'k"],
      ['3', 'y'],
    ]);
    expect(
      await source.keyHashes(
        map,
        [
          ['2', 'x'],
          ['9', 'z'],
        ],
        method,
        'source',
      ),
    ).toEqual([left.find((row) => row.key[0] === '2')]);
    const rows = await source.rows(
      map,
      [
        ['1', "o'k"],
        ['2', 'x'],
      ],
      method,
      'source',
    );
    for (const row of rows) await service.query(target.repairSql(map, row.key, row.values, method, 'target'));
    await service.query(target.repairSql(map, ['3', 'y'], null, method, 'target'));
    expect(await isEqual(map)).toBe(true);
  });
});

test('orphans and sequences', async () => {
  await legacy.query(`CREATE TABLE parents (id integer PRIMARY KEY); CREATE TABLE children (id integer PRIMARY KEY, parent_id integer);
    INSERT INTO parents VALUES (1), (2); INSERT INTO children VALUES (1, 1), (2, NULL), (3, 7), (4, 7), (5, 8);
    CREATE SEQUENCE up AS smallint; SELECT nextval('up'), nextval('up'); CREATE SEQUENCE down INCREMENT -5 CACHE 3`);
  const reference = {
    child: 'public.children',
    childColumns: ['parent_id'],
    parent: 'public.parents',
    parentColumns: ['id'],
  };
  const found = await source.orphans(reference, 10);
  expect(found.count).toBe(3);
  expect([...found.sample].sort()).toEqual([['7'], ['8']]);
  expect(await source.sequences(['public.up', 'public.down'])).toEqual([
    { id: 'public.up', next: '3', increment: '1', minimum: '1', maximum: '32767', cache: '1' },
    {
      id: 'public.down',
      next: '-1',
      increment: '-5',
      minimum: '-9223372036854775808',
      maximum: '-1',
      cache: '3',
    },
  ]);
});
