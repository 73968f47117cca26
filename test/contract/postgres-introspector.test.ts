import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSession } from '../../src/engines/postgres/postgres-connection.js';
import { readRelationShapes, readSchema } from '../../src/engines/postgres/postgres-introspector.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';
import type { DatabaseSchema, Relation } from '../../src/model/database-schema.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { APPLICATION } from '../support/global-setup.js';
import { planFor, readTestSchema } from '../support/plan.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const NASTY = fs.readFileSync(path.resolve(import.meta.dirname, '../fixtures/nasty-shapes.sql'), 'utf8');

let database: TestDatabase;
let schema: DatabaseSchema;

beforeAll(async () => {
  database = await createTestDatabase('legacy', NASTY);
  schema = await readTestSchema(database);
});
afterAll(() => database.drop());

const relation = (id: string): Relation => {
  const found = schema.relations.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no relation ${id}`);
  return found;
};

test('names of every kind come through', () => {
  expect(relation('public.Order; drop--').columns.map((column) => column.name)).toEqual([
    'Id',
    'select',
    "it's",
    'a.b',
    'qu"ote',
  ]);
  expect(relation('"Odd.schema".user').columns.map((column) => column.name)).toEqual(['id', 'from']);
});

test('partitions know their root, bound and part of each index', () => {
  expect(relation('public.event_2025')).toMatchObject({
    kind: 'partition',
    partitionBy: 'LIST (kind)',
    partitionOf: { parent: 'public.event' },
  });
  expect(relation('public.event_2025_a').partitionOf?.bound).toBe("FOR VALUES IN ('a', 'b')");
  expect(
    relation('public.event_old')
      .indexes.filter((index) => !index.isInherited)
      .map((index) => index.name),
  ).toEqual(['only_here']);
  expect(relation('public.event_2025_a').indexes.map((index) => index.parent)).toContain(
    'public.event_2025_pkey',
  );
});

test('a reference to a partitioned table is one reference, not one for each partition', () => {
  expect(relation('public.hashed_child').foreignKeys.map((key) => key.parent)).toEqual(['public.hashed']);
});

test('bodies say what they read and write; dynamic SQL says that it cannot be read', () => {
  const routine = (id: string) => schema.routines.find((candidate) => candidate.id === id);
  expect(routine('public.settle(IN "Which" integer, INOUT total numeric)')).toMatchObject({
    reads: ['public.payment'],
    writes: ['billing.wide'],
    isOpaque: false,
  });
  expect(routine('public.run_it(t text)')?.isOpaque).toBe(true);
  expect(routine('public.count_nodes()')?.reads).toEqual(['public.node']);
  expect(relation('public.node').triggers.find((trigger) => trigger.name === 'log_node')).toMatchObject({
    timing: 'after',
    events: ['insert', 'update', 'delete'],
    writes: ['public.audit'],
  });
});

test('sequences know who owns and who draws from them', () => {
  const shared = schema.sequences.find((sequence) => sequence.id === 'public.shared_seq');
  expect(shared?.usedBy.map((use) => use.relation)).toEqual(['public.left_side', 'public.right_side']);
  expect(shared).toMatchObject({ increment: '-2', isCycling: true, isIdentity: false });
  expect(relation('public.Order; drop--').columns[0]?.sequence).toBe(
    'public."Order; drop--_Id_seq"'.replaceAll('"', ''),
  );
});

test('extensions say who needs them', () => {
  const users = (name: string) => schema.extensions.find((extension) => extension.name === name)?.usedBy;
  expect(users('btree_gist')).toEqual(['public.booking']);
  expect(users('citext')).toEqual(['billing.wide']);
  expect(users('pgcrypto')).toEqual(['public.hash_it']);
});

test('a role that may read nothing sees the same shape', async () => {
  const { host, port, database: name } = database.target;
  const target = new ConnectionTarget({
    engine: 'postgres',
    host,
    port,
    database: name,
    user: APPLICATION.user,
    password: async () => APPLICATION.password,
    tls: false,
    parameters: {},
  });
  const session = await openSession(target, { applicationName: 'test', readOnly: true });
  const seen = await readSchema(session);
  await session.end();
  const shape = (from: DatabaseSchema) => ({
    ...from,
    administrators: [],
    sequences: from.sequences.map((sequence) => ({ ...sequence, lastValue: null })),
  });
  expect(shape(seen)).toEqual(shape(schema));
});

test('the narrow reading for a fingerprint agrees with the whole', async () => {
  const session = await openSession(database.target, { applicationName: 'test' });
  const ids = ['public.event', 'public.payment', 'billing.wide', 'public.Order; drop--'];
  const narrow = await readRelationShapes(session, ids);
  await session.end();
  expect(narrow.relations.map((found) => found.id)).toContain('public.event_2025_a');
  expect(narrow.relations.map((found) => found.id)).not.toContain('public.node');
  expect(fingerprint(narrow, ids)).toBe(fingerprint(schema, ids));
});

test('relation maps: partitions under their root, inheritance members each on their own, generated columns left out', async () => {
  const { maps } = (await planFor(database, { services: { all: '*' } })).service('all');
  const map = (id: string) => maps.find((candidate) => candidate.source === id);
  expect(map('public.event')).toMatchObject({
    key: ['id', 'at', 'kind'],
    leaves: ['public.event_2025_a', 'public.event_2025_rest', 'public.event_old'],
    hasOtherUniqueness: true,
  });
  expect(map('public.event_2025')).toBeUndefined();
  expect(map('public.payment')).toMatchObject({ key: ['id'], leaves: ['public.payment'] });
  expect(map('public.payment_02')).toMatchObject({ key: [], leaves: ['public.payment_02'] });
  expect(map('billing.wide')?.columns.map((column) => column.name)).not.toContain('tax');
  expect(map('public.link')?.key).toEqual(['b', 'a']);
  expect(map('public.by_index')?.key).toEqual(['b', 'a']);
  expect(map('public.full_identity')).toMatchObject({ key: ['id'], hasOtherUniqueness: true });
  expect(map('public.late_key')?.key).toEqual([]);
  expect(map('public.heap_only')?.key).toEqual([]);
});
