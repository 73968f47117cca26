/** The same schema read live and from a script gives the same model for everything that boundaries are drawn from. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { analyze } from '../../src/app/analyze.js';
import { readDumpText } from '../../src/engines/dump-text.js';
import { postgresDumpReader } from '../../src/engines/postgres/postgres-dump-reader.js';
import { loadEngine } from '../../src/engines/registry.js';
import type { DatabaseSchema } from '../../src/model/database-schema.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const FIXTURE = path.resolve(import.meta.dirname, '../fixtures/parity.sql');

let database: TestDatabase;
let live: DatabaseSchema;
let dump: DatabaseSchema;

beforeAll(async () => {
  database = await createTestDatabase('legacy', fs.readFileSync(FIXTURE, 'utf8'));
  const engine = await loadEngine('postgres');
  const session = await engine.openReadOnly(database.target, { applicationName: 'parity' });
  try {
    live = await session.introspector.read({});
  } finally {
    await session.close();
  }
  dump = await postgresDumpReader.read({ name: FIXTURE, text: readDumpText(FIXTURE) });
});
afterAll(() => database.drop());

const sorted = <T>(list: readonly T[]): T[] =>
  [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** What analysis looks at. */
function relations(schema: DatabaseSchema): unknown {
  return sorted(
    schema.relations.map((relation) => ({
      id: relation.id,
      kind: relation.kind,
      comment: relation.comment ?? null,
      columns: relation.columns.map((column) => ({
        name: column.name,
        baseType: column.baseType,
        type: relation.kind === 'table' || relation.kind === 'partitioned' ? column.type : null,
        userType:
          relation.kind === 'table' || relation.kind === 'partitioned' ? (column.userType ?? null) : null,
        isArray: column.isArray,
        rowTypeOf: relation.kind === 'table' ? (column.rowTypeOf ?? null) : null,
        isNullable: column.isNullable,
        identity: column.identity ?? null,
        isGenerated: column.generated !== undefined,
        comment: column.comment ?? null,
        isInherited: relation.partitionOf === undefined && column.isInherited,
      })),
      keys: sorted(relation.keys.map(({ name, kind, columns }) => ({ name, kind, columns }))),
      foreignKeys: sorted(
        relation.foreignKeys
          .filter((key) => !key.isInherited)
          .map(({ name, columns, parent, parentColumns, onDelete, onUpdate, isDeferrable }) => ({
            name,
            columns,
            parent,
            parentColumns,
            onDelete,
            onUpdate,
            isDeferrable,
          })),
      ),
      indexes: sorted(
        relation.indexes
          .filter((index) => !index.isInherited)
          .map(({ name, isUnique, isPrimary, method, columns, hasExpression }) => ({
            name,
            isUnique,
            isPrimary,
            method,
            columns,
            hasExpression,
          })),
      ),
      triggers: sorted(
        relation.triggers
          .filter((trigger) => !trigger.isInherited)
          .map(({ name, level, routine, reads, writes }) => ({
            name,
            level,
            routine,
            reads: sorted(reads),
            writes: sorted(writes),
          })),
      ),
      reads: sorted(relation.reads),
      partitionOf: relation.partitionOf?.parent ?? null,
      inherits: relation.inherits,
      grants: sorted(
        relation.grants.filter((grant) => grant.grantee === 'shop_app').map((grant) => grant.privilege),
      ),
    })),
  );
}

function routines(schema: DatabaseSchema): unknown {
  return sorted(
    schema.routines.map(({ id, kind, language, isTrigger, reads, writes, isOpaque }) => ({
      id,
      kind,
      language,
      isTrigger,
      reads: sorted(reads),
      writes: sorted(writes),
      isOpaque,
    })),
  );
}

test('relations', () => {
  // View columns carry types only where the server resolved them, partitions their keys under names of their own.
  const comparable = (schema: DatabaseSchema): unknown =>
    (relations(schema) as { kind: string; columns: { name: string }[] }[]).map((relation) =>
      relation.kind === 'view' || relation.kind === 'materialized-view'
        ? { ...relation, columns: relation.columns.map((column) => column.name) }
        : relation.kind === 'partition'
          ? { ...relation, keys: [], indexes: [], foreignKeys: [] }
          : relation,
    );
  expect(comparable(dump)).toEqual(comparable(live));
});

test('routines', () => {
  expect(routines(dump)).toEqual(routines(live));
});

test('row types: whoever uses one depends on the relation', () => {
  const uses = (schema: DatabaseSchema) => ({
    routine: schema.routines.find(({ name }) => name === 'best')?.reads,
    view: schema.relations.find(({ name }) => name === 'nobody')?.reads,
    columns: schema.relations
      .find(({ name }) => name === 'snapshots')
      ?.columns.map(({ rowTypeOf }) => rowTypeOf ?? null),
    types: sorted(
      schema.types.flatMap((type) =>
        'rowTypes' in type ? [{ name: type.name, rowTypes: sorted(type.rowTypes ?? []) }] : [],
      ),
    ),
  });
  expect(uses(live)).toEqual({
    routine: ['crm.customers', 'public.products'],
    view: ['crm.customers'],
    columns: [null, 'crm.customers', 'public.products'],
    types: [
      { name: 'pair', rowTypes: ['crm.customers', 'public.products'] },
      { name: 'some_customer', rowTypes: ['crm.customers'] },
    ],
  });
  expect(uses(dump)).toEqual(uses(live));
});

test('the same boundaries either way', async () => {
  const [fromServer, fromScript] = await Promise.all([
    analyze({ source: { kind: 'live', target: database.target } }),
    analyze({ source: { kind: 'sql', file: FIXTURE } }),
  ]);
  const shape = ({ analysis }: Awaited<ReturnType<typeof analyze>>): unknown => ({
    services: analysis.services.map(({ name, relations: owned, cohesion }) => ({ name, owned, cohesion })),
    crossings: analysis.crossings.map(({ kind, subject, cost }) => ({ kind, subject, cost })),
  });
  expect(shape(fromScript)).toEqual(shape(fromServer));
  expect(fromServer.source.name).not.toContain('p#ss');
});
