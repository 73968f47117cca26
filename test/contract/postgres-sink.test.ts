/** What the sink does to a real database with changes written by hand: types, collisions, marks, sets of keys. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UNCHANGED, type Database, type Sink } from '../../src/engines/engine.js';
import { postgresEngine } from '../../src/engines/postgres/postgres-engine.js';
import { insert, rekey, remove, truncate, update } from '../support/changes.js';
import { mapOf, OWNER } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { sinkSuite, sinkTools, STREAM, type SinkTraits, type SinkWorld } from './suites/sink.js';

let sql: TestDatabase;
let database: Database;
let sinks: Sink[] = [];

beforeEach(async () => {
  sql = await createTestDatabase('service');
  database = await postgresEngine.open(sql.target, { applicationName: 'dbps test' });
  await database.control.install(OWNER.service);
  await database.control.raiseEpoch(OWNER);
});

afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.close()));
  sinks = [];
  await database.close();
  await sql.drop();
});

const lines = async (relation: string) =>
  (await sql.query<{ line: string }>(`SELECT t::text AS line FROM ${relation} t ORDER BY 1`)).map(
    (row) => row.line,
  );

const world = (): SinkWorld => ({
  query: (statements) => sql.query(statements),
  lines: async (table) =>
    (await sql.query<Record<string, unknown>>(`SELECT * FROM ${table}`))
      .map((row) => Object.values(row).map(String).join())
      .sort(),
  mapOf: (table) => mapOf(sql, `public.${table}`),
  openSink: async (maps, owner) => {
    const sink = await database.sink.open({ stream: STREAM, owner, maps });
    sinks.push(sink);
    return sink;
  },
  control: database.control,
  changes: database.changes,
});
const TRAITS: SinkTraits = {
  position: (n) => `0/${n.toString(16).toUpperCase()}`,
  identity: { system: '1', timeline: '1', database: 'd', slot: 's', nonce: 'n' },
};

sinkSuite(world, TRAITS);

const { openSink, apply } = sinkTools(world, TRAITS);

test('values of every kind arrive as they were, in a batch and one by one', async () => {
  await sql.query(`
    CREATE TYPE mood AS ENUM ('sad', 'very "happy"');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN tags AS text[];
    CREATE TABLE t (id int PRIMARY KEY, c char(6), v varchar(5), b bit(3), vb bit varying(5), n numeric(12,4), f float8, m mood,
      p pair, ps pair[], ia int[], ta text[], d tags, j jsonb, js json, by bytea, ts timestamptz, iv interval, r int4range, x xml,
      o oid, ch "char", bo bool, mo money, ip inet, uu uuid, pt point, tsv tsvector, na name)`);
  const values: Record<string, string> = {
    c: `'ab'`,
    v: `'a"\\,'`,
    b: `B'101'`,
    vb: `B'1'`,
    n: `'NaN'`,
    f: `'-Infinity'`,
    m: `'very "happy"'`,
    p: `(1, 'x,"y\\')`,
    ps: `ARRAY[(1, NULL)::pair, (NULL, '{}')::pair]`,
    ia: `'[2:3][1:2]={{1,2},{3,NULL}}'`,
    ta: `ARRAY['NULL', NULL, '', 'a"b\\c']`,
    d: `ARRAY['x', '{']`,
    j: `'{"a": [1.10, null, "\\u2603"]}'`,
    js: `'{"b":  1}'`,
    by: `'\\x00ff5c22'`,
    ts: `'0044-03-15 12:00:00.000001+00 BC'`,
    iv: `'-1 year 2 days 00:00:00.5'`,
    r: `'(1,)'`,
    x: `'<a>&amp;</a>'`,
    o: `4294967295`,
    ch: `'z'`,
    bo: `true`,
    mo: `12.34`,
    ip: `'10.0.0.1/8'`,
    uu: `'00000000-0000-0000-0000-00000000000a'`,
    pt: `'(0.1,2e300)'`,
    tsv: `to_tsvector('simple', 'it''s a "word"')`,
    na: `'Ünï'`,
  };
  await sql.query(`CREATE TABLE original AS TABLE t;
    INSERT INTO original (id, ${Object.keys(values).join()}) VALUES (1, ${Object.values(values).join()}), (2, ${Object.values(values).join()});
    INSERT INTO original (id) VALUES (3)`);
  const map = await mapOf(sql, 'public.t');
  const original = { ...map, source: 'public.original' };
  const rows = await database.checksum.rows(
    original,
    [['1'], ['2'], ['3']],
    await database.checksum.method(original, 'source', { isStrict: false, peer: 'postgres' }),
    'source',
  );
  const sink = await openSink([map]);
  await apply(
    sink,
    rows.map((row) => insert(map, ...row.values)),
  );
  expect(await lines('t')).toEqual(await lines('original'));
  await sql.query('UPDATE t SET c = NULL, ia = NULL, ps = NULL, n = 1');
  for (const row of rows) await apply(sink, [update(map, ...row.values)]);
  expect(await lines('t')).toEqual(await lines('original'));
});

test('names as odd as they come, keys of types from extensions, partitions, generated columns', async () => {
  await sql.query(`
    CREATE SCHEMA "Odd.schema"; CREATE EXTENSION citext SCHEMA "Odd.schema";
    CREATE TABLE "Odd.schema"."Order; drop--" ("Select" "Odd.schema".citext, "b""c" int, "twice" int GENERATED ALWAYS AS ("b""c" * 2) STORED,
      PRIMARY KEY ("Select"));
    CREATE TABLE parts (id int, at date, n int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');`);
  const odd = await mapOf(sql, '"Odd.schema"."Order; drop--"', ['Select']);
  const parts = {
    ...(await mapOf(sql, 'public.parts', ['id', 'at'])),
    leaves: ['public.parts_1', 'public.parts_2'],
  };
  const sink = await openSink([odd, parts]);
  await apply(sink, [
    insert(odd, 'Key', '1'),
    insert(odd, 'other', '2'),
    insert(parts, '1', '2025-02-02', '1'),
    insert(parts, '2', '2026-02-02', '1'),
  ]);
  await apply(sink, [update(odd, 'Key', '5'), remove(odd, 'other'), update(parts, '1', '2025-02-02', '9')]);
  expect(await lines('"Odd.schema"."Order; drop--"')).toEqual(['(Key,5,10)']);
  await apply(sink, [truncate(parts, ['public.parts_2'])]);
  expect(await lines('parts')).toEqual(['(1,2025-02-02,9)']);
});

test('H11: an exclusion constraint is a collision too; a deferrable unique key is checked at the end', async () => {
  await sql.query(`
    CREATE EXTENSION btree_gist;
    CREATE TABLE booked (id int PRIMARY KEY, room int, at int4range, EXCLUDE USING gist (room WITH =, at WITH &&));
    INSERT INTO booked VALUES (1, 1, '[1,5)'), (2, 2, '[1,5)');
    CREATE TABLE late (id int PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO late VALUES (1, 1), (2, 2)`);
  const booked = { ...(await mapOf(sql, 'public.booked')), hasOtherUniqueness: true };
  const late = { ...(await mapOf(sql, 'public.late')), hasOtherUniqueness: true };
  const sink = await openSink([booked, late]);
  const { wasUnmerged } = await apply(sink, [
    update(booked, '1', '9', '[1,5)'),
    update(booked, '2', '1', '[1,5)'),
    update(booked, '1', '2', '[1,5)'),
    update(late, '1', '2'),
    update(late, '2', '1'),
  ]);
  expect(wasUnmerged).toBe(true);
  expect(await lines('booked')).toEqual(['(1,2,"[1,5)")', '(2,1,"[1,5)")']);
  expect(await lines('late')).toEqual(['(1,2)', '(2,1)']);
});

test('H12: GENERATED ALWAYS identities take the other side’s values, in the key and beside it', async () => {
  await sql.query(`
    CREATE TABLE keyed (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, big text, n int);
    CREATE TABLE beside (code text PRIMARY KEY, seq int GENERATED ALWAYS AS IDENTITY, big text)`);
  const keyed = await mapOf(sql, 'public.keyed');
  const beside = await mapOf(sql, 'public.beside', ['code']);
  const sink = await openSink([keyed, beside]);
  await apply(sink, [insert(keyed, '7', 'big', '1'), insert(beside, 'a', '40', 'big')]);
  await apply(sink, [update(keyed, '7', UNCHANGED, '2'), update(beside, 'a', '41', 'new')]);
  await apply(sink, [rekey(keyed, '7', '8', UNCHANGED, '3'), rekey(beside, 'a', 'b', '42', UNCHANGED)]);
  await apply(sink, [update(keyed, '8', 'all', '4'), update(beside, 'b', '43', UNCHANGED)]);
  expect(await lines('keyed')).toEqual(['(8,all,4)']);
  expect(await lines('beside')).toEqual(['(b,43,new)']);
});

test('what the server says when a stream begins leaves as an error of dbps', async () => {
  const sink = await openSink([]);
  await sql.query('DROP TABLE dbps.spool');
  const anew = { start: '0/9', identity: { ...TRAITS.identity, nonce: 'another' }, created: true };
  await expect(sink.begin(anew)).rejects.toMatchObject({ code: 'DBPS_E414' });
});
