/** What the sink does to a real database with changes written by hand: types, collisions, marks, sets of keys. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  UNCHANGED,
  type Change,
  type ChangeTransaction,
  type Database,
  type RelationMap,
  type Sink,
  type Value,
} from '../../src/engines/engine.js';
import { postgresEngine } from '../../src/engines/postgres/postgres-engine.js';
import { mapOf, OWNER } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const STREAM = { service: OWNER.service, direction: 'forward' } as const;
const IDENTITY = { system: '1', timeline: '1', database: 'd', slot: 's', nonce: 'n' };

let sql: TestDatabase;
let database: Database;
let sinks: Sink[] = [];
let position = 1;

beforeEach(async () => {
  sql = await createTestDatabase('service');
  database = await postgresEngine.open(sql.target, { applicationName: 'dbps test' });
  await database.control.install(OWNER.service);
  await database.control.raiseEpoch(OWNER);
  position = 1;
});

afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.close()));
  sinks = [];
  await database.close();
  await sql.drop();
});

async function openSink(
  maps: readonly RelationMap[],
  owner = OWNER as { service: string; epoch: number },
): Promise<Sink> {
  const sink = await database.sink.open({ stream: STREAM, owner, maps });
  sinks.push(sink);
  await sink.begin({ start: '0/1', identity: IDENTITY, created: true });
  return sink;
}

const transaction = (changes: readonly Change[], last = true): ChangeTransaction => ({
  commit: `0/${(++position).toString(16)}`,
  end: `0/${(++position).toString(16).toUpperCase()}`,
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
const lines = async (relation: string) =>
  (await sql.query<{ line: string }>(`SELECT t::text AS line FROM ${relation} t ORDER BY 1`)).map(
    (row) => row.line,
  );

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
  await apply(sink, [{ kind: 'truncate', maps: [parts], leaves: ['public.parts_2'] }]);
  expect(await lines('parts')).toEqual(['(1,2025-02-02,9)']);
});

test('H11: swaps and chains of unique values are applied in source order when their net form collides', async () => {
  await sql.query(
    `CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
  );
  const map = { ...(await mapOf(sql, 'public.t')), hasOtherUniqueness: true };
  const sink = await openSink([map]);
  const swap = await apply(sink, [update(map, '1', 'tmp'), update(map, '2', 'a'), update(map, '1', 'b')]);
  expect(swap.wasUnmerged).toBe(true);
  expect(await lines('t')).toEqual(['(1,b)', '(2,a)']);
  await apply(sink, [update(map, '1', 'c'), insert(map, '3', 'b'), remove(map, '2'), insert(map, '4', 'a')]);
  expect(await lines('t')).toEqual(['(1,c)', '(3,b)', '(4,a)']);
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

test('H3: unchanged out-of-line values stay; until convergence a row that is not there is put into the heal set', async () => {
  await sql.query(
    `CREATE TABLE t (id int PRIMARY KEY, big text NOT NULL, n int); INSERT INTO t VALUES (1, 'big', 1), (5, 'five', 1)`,
  );
  const map = await mapOf(sql, 'public.t');
  const sink = await openSink([map]);
  await apply(sink, [update(map, '1', UNCHANGED, '2'), update(map, '9', UNCHANGED, '2')], false);
  expect(await lines('t')).toEqual(['(1,big,2)', '(5,five,1)']);
  expect(await sink.heal.take(map, 10)).toEqual([['9']]);
  // A key change without its big value: neither row can be trusted. With it: the row is known.
  await apply(sink, [rekey(map, '1', '2', UNCHANGED, '3'), rekey(map, '5', '6', 'six', '3')], false);
  expect(await lines('t')).toEqual(['(6,six,3)']);
  expect(await sink.heal.take(map, 10)).toEqual([['2'], ['9']]);
  expect(await sink.heal.size()).toBe(2);
  await sink.heal.remove(map, [['2']]);
  expect(await sink.heal.take(map, 10)).toEqual([['9']]);
});

test('after convergence a row that is missing stops the stream, and nothing of the batch stays', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, big text, n int)`);
  const map = await mapOf(sql, 'public.t');
  const sink = await openSink([map]);
  const before = await sink.checkpoint();
  await expect(
    apply(sink, [insert(map, '1', 'x', '1'), update(map, '2', UNCHANGED, '1')]),
  ).rejects.toMatchObject({
    code: 'DBPS_E357',
    message: expect.stringContaining('id = 2') as string,
  });
  await expect(apply(sink, [rekey(map, '3', '4', 'x', '1')])).rejects.toMatchObject({ code: 'DBPS_E357' });
  expect(await lines('t')).toEqual([]);
  expect(await sink.checkpoint()).toEqual(before);
  // The session is as good as before.
  await apply(sink, [insert(map, '1', 'x', '1')]);
  expect(await lines('t')).toEqual(['(1,x,1)']);
});

test('H7: a former owner’s batch writes nothing, before and after its successor has begun', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY)`);
  const map = await mapOf(sql, 'public.t');
  const old = await openSink([map]);
  await apply(old, [insert(map, '1')]);
  const successor = { ...OWNER, epoch: 2 };
  await database.control.raiseEpoch(successor);
  await expect(apply(old, [insert(map, '2')])).rejects.toMatchObject({ code: 'DBPS_E301' });
  const fresh = await openSink([map], successor);
  await apply(fresh, [insert(map, '3')]);
  await expect(apply(old, [insert(map, '4')])).rejects.toMatchObject({ code: 'DBPS_E301' });
  await expect(old.spool([transaction([insert(map, '4')])], '0/99')).rejects.toMatchObject({
    code: 'DBPS_E301',
  });
  expect(await lines('t')).toEqual(['(1)', '(3)']);
});

test('H7: a checkpoint that somebody else has moved stops the batch', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY)`);
  const map = await mapOf(sql, 'public.t');
  const [one, two] = [await openSink([map]), await openSink([map])];
  await apply(one, [insert(map, '1')]);
  await apply(two, [insert(map, '2')]);
  await expect(apply(one, [insert(map, '3')])).rejects.toMatchObject({ code: 'DBPS_E356' });
  expect(await lines('t')).toEqual(['(1)', '(2)']);
});

test('H9: each of its transactions begins with a change of the checkpoint', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY)`);
  const map = await mapOf(sql, 'public.t');
  const reverse = { service: OWNER.service, direction: 'reverse' } as const;
  const capture = await database.changes.prepare(reverse, [map], OWNER);
  const sink = await openSink([map]);
  await apply(sink, [insert(map, '1'), insert(map, '2')]);
  await apply(sink, [rekey(map, '1', '3'), { kind: 'truncate', maps: [map], leaves: ['public.t'] }]);
  await sink.advance('0/FF');
  await sql.query('INSERT INTO t VALUES (9)');
  const stream = await database.changes.stream({
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
  await database.changes.teardown(reverse, OWNER);
  expect(foreign).toEqual([insert(map, '9')]);
});

test('H15: keys that changed are stored with the rows, old and new, and handed out once each', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (5, 0)`);
  const map = await mapOf(sql, 'public.t');
  const sink = await openSink([map]);
  await apply(sink, [insert(map, '1', '1'), update(map, '1', '2'), insert(map, '2', '1'), remove(map, '2')]);
  await apply(sink, [rekey(map, '5', '6', '1'), update(map, '1', '3')]);
  const reopened = await database.sink.open({ stream: STREAM, owner: OWNER, maps: [map] });
  sinks.push(reopened);
  expect((await reopened.changed.take(map, 100)).toSorted()).toEqual([['1'], ['2'], ['5'], ['6']]);
  expect(await reopened.changed.size()).toBe(5);
  // Changed again after it was taken: it is still to be verified.
  await apply(sink, [insert(map, '2', '9'), remove(map, '6')]);
  await reopened.changed.remove(map, [['1'], ['2'], ['5'], ['6']]);
  expect((await reopened.changed.take(map, 100)).toSorted()).toEqual([['2'], ['6']]);
  await reopened.changed.remove(map, [['2']]);
  expect(await reopened.changed.take(map, 100)).toEqual([['6']]);
  await apply(sink, [{ kind: 'truncate', maps: [map], leaves: ['public.t'] }]);
  expect(await reopened.changed.take(map, 100)).toEqual([['6'], []]);
  // Rolled back with the batch.
  await expect(apply(sink, [rekey(map, '77', '78', '1')])).rejects.toThrow();
  expect(await reopened.changed.size()).toBe(2);
});

test('spooled changes come back in order and leave with the batch that applies them', async () => {
  await sql.query(`CREATE TABLE t (id int PRIMARY KEY, n int)`);
  const map = await mapOf(sql, 'public.t');
  const sink = await openSink([map]);
  const [a, b, half] = [
    transaction([insert(map, '1', '1')]),
    transaction([update(map, '1', '2')]),
    transaction([insert(map, '2', '1')], false),
  ];
  await sink.spool([a, b], b.end);
  await sink.spool([half], b.end);
  expect(await sink.checkpoint()).toMatchObject({ applied: '0/1', received: b.end });
  // The end of the last transaction never came: it is received again from its beginning.
  const reopened = await database.sink.open({ stream: STREAM, owner: OWNER, maps: [map] });
  sinks.push(reopened);
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
  expect(await lines('t')).toEqual(['(1,2)']);
});

test('what the server says when a stream begins leaves as an error of dbps', async () => {
  const sink = await openSink([]);
  await sql.query('DROP TABLE dbps.spool');
  const anew = { start: '0/9', identity: { ...IDENTITY, nonce: 'another' }, created: true };
  await expect(sink.begin(anew)).rejects.toMatchObject({ code: 'DBPS_E414' });
});
