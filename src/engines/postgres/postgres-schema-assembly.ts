/** Rows of the catalogue queries → one DatabaseSchema: joins in memory what would cost a round trip each. */
import type {
  DatabaseSchema,
  Grant,
  Routine,
  Sequence,
  UnsupportedObject,
  UserType,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { optional, toColumn, toRelation, toTrigger } from './postgres-relation-assembly.js';
import { NameResolver } from './postgres-name-resolver.js';
import { assembleRoutines } from './postgres-routine-assembly.js';
import type { PolicyRow, RuleRow, TriggerRow } from './sql/behaviour.js';
import type { ColumnRow } from './sql/columns.js';
import type { ConstraintRow } from './sql/constraints.js';
import type { ExtensionRow, ViewDependencyRow } from './sql/dependencies.js';
import type { GrantRow } from './sql/grants.js';
import type { IndexRow } from './sql/indexes.js';
import type { RelationRow } from './sql/relations.js';
import type { RoutineRow } from './sql/routines.js';
import type { SequenceRow } from './sql/sequences.js';
import type { TypeRow } from './sql/types.js';
import type { UnsupportedRow } from './sql/unsupported.js';

export interface CatalogueRows {
  readonly identity: {
    readonly database: string;
    readonly product: string;
    readonly version: number;
    readonly administrators: readonly string[];
  };
  readonly schemas: readonly { readonly name: string; readonly comment: string | null }[];
  readonly relations: readonly RelationRow[];
  readonly columns: readonly ColumnRow[];
  readonly constraints: readonly ConstraintRow[];
  readonly indexes: readonly IndexRow[];
  readonly triggers: readonly TriggerRow[];
  readonly rules: readonly RuleRow[];
  readonly policies: readonly PolicyRow[];
  readonly types: readonly TypeRow[];
  readonly routines: readonly RoutineRow[];
  readonly sequences: readonly SequenceRow[];
  readonly grants: readonly GrantRow[];
  readonly viewDependencies: readonly ViewDependencyRow[];
  readonly extensions: readonly ExtensionRow[];
  readonly unsupported: readonly UnsupportedRow[];
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

const toGrant = (row: GrantRow): Grant => ({
  grantee: row.grantee,
  privilege: row.privilege,
  isGrantable: row.isGrantable,
  ...optional('column', row.column),
});

function toSequence(row: SequenceRow, grants: readonly Grant[]): Sequence {
  return {
    id: relationId(row.schema, row.name),
    schema: row.schema,
    name: row.name,
    type: row.type,
    start: row.start,
    minimum: row.minimum,
    maximum: row.maximum,
    increment: row.increment,
    cache: row.cache,
    isCycling: row.isCycling,
    lastValue: row.lastValue,
    ...(row.owner !== null && {
      ownedBy: { relation: relationId(row.owner[0], row.owner[1]), column: row.owner[2] },
    }),
    isIdentity: row.isIdentity,
    usedBy: (row.usedBy ?? []).map(([schema, name, column]) => ({
      relation: relationId(schema, name),
      column,
    })),
    grants,
    ...optional('comment', row.comment),
  };
}

function toUserType(row: TypeRow): UserType | null {
  const head = { schema: row.schema, name: row.name, ...optional('comment', row.comment) };
  const rowTypes = row.rowTypes !== null && {
    rowTypes: row.rowTypes.map(([schema, name]) => relationId(schema, name)),
  };
  switch (row.kind) {
    case 'e':
      return { kind: 'enum', ...head, labels: row.labels ?? [] };
    case 'd':
      return {
        kind: 'domain',
        ...head,
        baseType: row.baseType ?? '',
        isNullable: !row.isNotNull,
        ...optional('default', row.default),
        ...optional('collation', row.collation),
        checks: row.checks ?? [],
        ...rowTypes,
      };
    case 'c':
      return { kind: 'composite', ...head, attributes: row.attributes ?? [], ...rowTypes };
    case 'r':
      return { kind: 'range', ...head, subtype: row.subtype ?? '' };
    default:
      return null;
  }
}

/** What the rows themselves show that the model has no place for. */
function unsupportedOf(rows: CatalogueRows): UnsupportedObject[] {
  const found: UnsupportedObject[] = rows.unsupported.map((row) => ({
    kind: row.kind,
    name: row.name,
    ...(row.relationSchema !== null &&
      row.relationName !== null && { relation: relationId(row.relationSchema, row.relationName) }),
    reason: row.reason,
  }));
  const names = new Map(rows.relations.map((row) => [row.oid, relationId(row.schema, row.name)]));
  for (const row of rows.relations) {
    const relation = relationId(row.schema, row.name);
    const tell = (kind: string, reason: string) => found.push({ kind, name: relation, relation, reason });
    if (row.kind === 'f') tell('foreign table', 'its rows are on another server: it stays where it is');
    if (row.ofType !== null)
      tell('typed table', `made as an ordinary table, no longer tied to ${row.ofType}`);
    if (row.tablespace !== null) tell('tablespace', `${row.tablespace}: made in the default tablespace`);
    if (row.accessMethod !== null)
      tell('table access method', `${row.accessMethod}: made with the default one`);
  }
  for (const row of rows.indexes) {
    const relation = names.get(row.relation);
    const tell = (kind: string, reason: string) =>
      found.push({ kind, name: row.name, ...(relation !== undefined && { relation }), reason });
    if (!row.isValid && row.parentName === null && row.definition.includes(' ON ONLY ') === false)
      tell('invalid index', 'left behind by a failed CREATE INDEX CONCURRENTLY: not made again');
    if (row.isClustered) tell('clustered index', 'the mark of CLUSTER is not carried over');
    if (row.tablespace !== null) tell('tablespace', `${row.tablespace}: made in the default tablespace`);
  }
  for (const row of rows.types) {
    const name = relationId(row.schema, row.name);
    if (row.kind === 'b' || row.kind === 'p')
      found.push({
        kind: 'base type',
        name,
        reason: 'needs code on the server: install it on the service database',
      });
    if (row.rangeExtras === true)
      found.push({
        kind: 'range type options',
        name,
        reason: 'operator class, collation, canonical or difference function are not carried over',
      });
    if (row.hasGrants)
      found.push({ kind: 'type privileges', name, reason: 'not carried over: PUBLIC may use the type' });
  }
  return found;
}

export async function assembleSchema(rows: CatalogueRows): Promise<DatabaseSchema> {
  const idByOid = new Map(rows.relations.map((row) => [row.oid, relationId(row.schema, row.name)]));
  const kindByOid = new Map(rows.relations.map((row) => [row.oid, row]));
  const types = new Map(rows.types.map((row) => [row.oid, row]));
  const grants = groupBy(rows.grants, (row) => row.oid);
  const grantsOf = (oid: string): readonly Grant[] => (grants.get(oid) ?? []).map(toGrant);

  const sequences = rows.sequences.map((row) => toSequence(row, grantsOf(row.oid)));
  const sequenceOf = new Map<string, RelationId>();
  for (const sequence of sequences) {
    for (const { relation, column } of sequence.usedBy) sequenceOf.set(`${relation}\n${column}`, sequence.id);
    if (sequence.isIdentity && sequence.ownedBy !== undefined)
      sequenceOf.set(`${sequence.ownedBy.relation}\n${sequence.ownedBy.column}`, sequence.id);
  }

  const resolver = new NameResolver(
    [...idByOid.values()],
    rows.routines.map((row) => relationId(row.schema, row.name)),
  );
  const { routines, byName, extensionUse } = await assembleRoutines(rows, resolver, grantsOf);
  const touchedBy = (routine: string): Pick<Routine, 'reads' | 'writes'> => closure(byName, routine);

  const columns = groupBy(rows.columns, (row) => row.relation);
  const constraints = groupBy(rows.constraints, (row) => row.relation);
  const indexes = groupBy(rows.indexes, (row) => row.relation);
  const triggers = groupBy(rows.triggers, (row) => row.relation);
  const rules = groupBy(rows.rules, (row) => row.relation);
  const policies = groupBy(rows.policies, (row) => row.relation);
  const dependencies = groupBy(rows.viewDependencies, (row) => row.relation);

  const relations = rows.relations.map((row) => {
    const id = relationId(row.schema, row.name);
    const uses = dependencies.get(row.oid) ?? [];
    const isPartition = kindByOid.get(row.oid)?.isPartition === true;
    return toRelation(row, {
      columns: (columns.get(row.oid) ?? []).map((column) => {
        // From 17 on a partition repeats its parent's identity, before it never did: the root says it.
        const shown = isPartition && !column.isLocal ? { ...column, identity: '' as const } : column;
        return toColumn(shown, types, sequenceOf.get(`${id}\n${column.name}`));
      }),
      names: new Map((columns.get(row.oid) ?? []).map((column) => [column.number, column.name])),
      constraints: constraints.get(row.oid) ?? [],
      indexes: indexes.get(row.oid) ?? [],
      triggers: (triggers.get(row.oid) ?? []).map((trigger) =>
        toTrigger(trigger, touchedBy(relationId(trigger.routineSchema, trigger.routineName))),
      ),
      rules: rules.get(row.oid) ?? [],
      policies: policies.get(row.oid) ?? [],
      grants: grantsOf(row.oid),
      reads: uses.filter((use) => !use.isRoutine).map((use) => relationId(use.schema, use.name)),
      calls: uses
        .filter((use) => use.isRoutine)
        .map((use) => relationId(use.schema, use.name))
        .filter((name) => byName.has(name)),
    });
  });

  const schemaComments = Object.fromEntries(
    rows.schemas.flatMap((schema) => (schema.comment === null ? [] : [[schema.name, schema.comment]])),
  );
  return {
    engine: 'postgres',
    product: rows.identity.product,
    version: rows.identity.version,
    database: rows.identity.database,
    origin: 'live',
    schemas: rows.schemas.map((schema) => schema.name),
    relations,
    types: rows.types.flatMap((row) => toUserType(row) ?? []),
    sequences,
    routines,
    extensions: rows.extensions.map((row) => ({
      name: row.name,
      schema: row.schema,
      version: row.version,
      usedBy: [
        ...new Set([
          ...(row.usedBy ?? []).map(([schema, name]) => relationId(schema, name)),
          ...(extensionUse.get(row.name) ?? []),
        ]),
      ].sort(),
    })),
    schemaGrants: rows.grants
      .filter((row) => row.object === 'schema')
      .map((row) => ({ ...toGrant(row), schema: row.name })),
    ...(Object.keys(schemaComments).length > 0 && { schemaComments }),
    administrators: rows.identity.administrators,
    unsupported: unsupportedOf(rows),
  };
}

/** What a routine touches itself and through the routines it calls. */
function closure(
  byName: ReadonlyMap<string, readonly Routine[]>,
  start: string,
): Pick<Routine, 'reads' | 'writes'> {
  const reads = new Set<RelationId>();
  const writes = new Set<RelationId>();
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    for (const routine of byName.get(name) ?? []) {
      for (const id of routine.reads) reads.add(id);
      for (const id of routine.writes) writes.add(id);
      routine.calls.forEach(visit);
    }
  };
  visit(start);
  return { reads: [...reads].sort(), writes: [...writes].sort() };
}
