/** Catalogue rows of relations → the model. Pure. */
import type {
  Check,
  Column,
  Exclusion,
  ForeignKey,
  Grant,
  Index,
  Policy,
  ReferentialAction,
  Relation,
  RelationKind,
  ReplicaIdentity,
  Rule,
  Trigger,
  UniqueKey,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';
import type { PolicyRow, RuleRow, TriggerRow } from './sql/behaviour.js';
import type { ColumnRow } from './sql/columns.js';
import type { ConstraintRow } from './sql/constraints.js';
import type { IndexRow } from './sql/indexes.js';
import type { RelationRow } from './sql/relations.js';
import type { TypeRow } from './sql/types.js';

const ACTIONS: Readonly<Record<string, ReferentialAction>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};

export const optional = <K extends string, V>(
  key: K,
  value: V | null | undefined,
): { readonly [P in K]?: V } =>
  (value === null || value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };

export function relationKind(row: RelationRow): RelationKind {
  if (row.isPartition) return 'partition';
  return ({ r: 'table', p: 'partitioned', v: 'view', m: 'materialized-view', f: 'foreign-table' } as const)[
    row.kind
  ];
}

export function toColumn(
  row: ColumnRow,
  types: ReadonlyMap<string, TypeRow>,
  sequence: RelationId | undefined,
): Column {
  const type = types.get(row.typeOid);
  const isUserType = type !== undefined && ['e', 'd', 'c', 'r'].includes(type.kind);
  const family =
    type === undefined
      ? row.typeName
      : (
          {
            e: 'enum',
            c: 'composite',
            r: 'range',
            d: type.baseName ?? row.typeName,
            b: row.typeName,
            p: row.typeName,
          } as const
        )[type.kind];
  const isGenerated = row.generated !== '';
  return {
    name: row.name,
    position: row.position,
    type: row.type,
    baseType: family,
    ...(isUserType && { userType: relationId(type.schema, type.name) }),
    ...(row.rowType !== null && { rowTypeOf: relationId(...row.rowType) }),
    isArray: row.isArray,
    isNullable: !row.notNull,
    ...(!isGenerated && optional('default', row.default)),
    ...(row.identity !== '' && {
      identity: row.identity === 'a' ? ('always' as const) : ('by-default' as const),
    }),
    ...optional('sequence', sequence),
    ...(isGenerated && { generated: { expression: row.default ?? '', stored: row.generated === 's' } }),
    ...optional('collation', row.collation),
    ...optional('comment', row.comment),
    isInherited: !row.isLocal,
    ...optional('storage', row.storage),
    ...optional('compression', row.compression),
    ...optional('statisticsTarget', row.statistics),
    ...optional('options', row.options),
  };
}

/** Names of columns by their numbers in the catalogue. */
export type ColumnNames = ReadonlyMap<number, string>;

const named = (names: ColumnNames, numbers: readonly number[] | null): readonly string[] =>
  (numbers ?? []).map((number) => names.get(number) ?? '');

export function toKey(row: ConstraintRow, names: ColumnNames): UniqueKey {
  return {
    name: row.name,
    kind: row.type === 'p' ? 'primary' : 'unique',
    columns: named(names, row.columns),
    isDeferrable: row.isDeferrable,
    isInitiallyDeferred: row.isDeferred,
    nullsNotDistinct: row.nullsNotDistinct ?? false,
    include: named(names, row.include),
    ...optional('comment', row.comment),
  };
}

export function toCheck(row: ConstraintRow): Check {
  return {
    name: row.name,
    expression: row.expression ?? '',
    isValidated: row.isValidated,
    isNoInherit: row.isNoInherit,
    isInherited: row.isInherited,
    ...optional('comment', row.comment),
  };
}

export function toExclusion(row: ConstraintRow): Exclusion {
  return {
    name: row.name,
    definition: row.definition ?? '',
    isDeferrable: row.isDeferrable,
    ...optional('comment', row.comment),
  };
}

export function toForeignKey(row: ConstraintRow, names: ColumnNames): ForeignKey {
  return {
    name: row.name,
    columns: named(names, row.columns),
    parent: relationId(row.parentSchema ?? '', row.parentName ?? ''),
    parentColumns: row.parentColumns ?? [],
    onDelete: ACTIONS[row.onDelete] ?? 'no action',
    onUpdate: ACTIONS[row.onUpdate] ?? 'no action',
    match: row.match === 'f' ? 'full' : 'simple',
    isDeferrable: row.isDeferrable,
    isInitiallyDeferred: row.isDeferred,
    isValidated: row.isValidated,
    isInherited: row.isInherited,
    definition: row.definition ?? '',
    ...optional('comment', row.comment),
  };
}

export function toIndex(row: IndexRow, names: ColumnNames): Index {
  const key = row.columns.slice(0, row.keyColumns);
  const hasExpression = key.includes(0);
  return {
    name: row.name,
    isUnique: row.isUnique,
    isPrimary: row.isPrimary,
    ...optional('constraint', row.constraint),
    isValid: row.isValid,
    isImmediate: row.isImmediate,
    method: row.method,
    columns: hasExpression ? [] : named(names, key),
    hasExpression,
    ...optional('predicate', row.predicate),
    include: named(names, row.columns.slice(row.keyColumns)),
    definition: row.definition,
    isInherited: row.parentName !== null,
    ...(row.parentName !== null && { parent: relationId(row.parentSchema ?? '', row.parentName) }),
    ...optional('comment', row.comment),
  };
}

const ROW = 1;
const BEFORE = 2;
const INSTEAD = 64;
const EVENTS = [
  [4, 'insert'],
  [16, 'update'],
  [8, 'delete'],
  [32, 'truncate'],
] as const;
const ENABLED = { O: 'origin', D: 'disabled', R: 'replica', A: 'always' } as const;

/** Bits of pg_trigger.tgtype: src/include/catalog/pg_trigger.h. */
export function toTrigger(row: TriggerRow, touched: Pick<Trigger, 'reads' | 'writes'>): Trigger {
  const has = (bit: number) => (row.type & bit) !== 0;
  return {
    name: row.name,
    timing: has(INSTEAD) ? 'instead of' : has(BEFORE) ? 'before' : 'after',
    events: EVENTS.filter(([bit]) => has(bit)).map(([, event]) => event),
    level: has(ROW) ? 'row' : 'statement',
    routine: relationId(row.routineSchema, row.routineName),
    enabled: ENABLED[row.enabled],
    definition: row.definition,
    isInherited: row.isInherited,
    reads: touched.reads,
    writes: touched.writes,
    ...optional('comment', row.comment),
  };
}

const RULE_EVENTS = { '1': 'select', '2': 'update', '3': 'insert', '4': 'delete' } as const;

export function toRule(row: RuleRow): Rule {
  return {
    name: row.name,
    event: RULE_EVENTS[row.event],
    isInstead: row.isInstead,
    ...(row.enabled !== 'O' && { enabled: ENABLED[row.enabled] }),
    definition: row.definition,
    touches: (row.touches ?? []).map(([schema, name]) => relationId(schema, name)),
  };
}

const COMMANDS = { r: 'SELECT', a: 'INSERT', w: 'UPDATE', d: 'DELETE', '*': 'ALL' } as const;

export function toPolicy(row: PolicyRow, relation: RelationId): Policy {
  const roles = row.roles.map((role) => (role === 'PUBLIC' ? role : quoteIdentifier(role))).join(', ');
  return {
    name: row.name,
    command: COMMANDS[row.command],
    roles: row.roles,
    definition:
      `CREATE POLICY ${quoteIdentifier(row.name)} ON ${quoteRelation(relation)} AS ` +
      `${row.isPermissive ? 'PERMISSIVE' : 'RESTRICTIVE'} FOR ${COMMANDS[row.command]} TO ${roles}` +
      (row.using === null ? '' : ` USING (${row.using})`) +
      (row.withCheck === null ? '' : ` WITH CHECK (${row.withCheck})`),
  };
}

export interface RelationParts {
  readonly columns: readonly Column[];
  readonly names: ColumnNames;
  readonly constraints: readonly ConstraintRow[];
  readonly indexes: readonly IndexRow[];
  readonly triggers: readonly Trigger[];
  readonly rules: readonly RuleRow[];
  readonly policies: readonly PolicyRow[];
  readonly grants: readonly Grant[];
  readonly reads: readonly RelationId[];
  readonly calls: readonly string[];
}

export function toRelation(row: RelationRow, parts: RelationParts): Relation {
  const id = relationId(row.schema, row.name);
  const parents = (row.parents ?? []).map(([schema, name]) => relationId(schema, name));
  const [parent] = parents;
  const of = (type: ConstraintRow['type']) => parts.constraints.filter((c) => c.type === type);
  const replicaIdentity: ReplicaIdentity =
    row.replicaIdentity === 'i' && row.replicaIndex !== null
      ? { kind: 'index', index: row.replicaIndex }
      : { kind: row.replicaIdentity === 'f' ? 'full' : row.replicaIdentity === 'd' ? 'default' : 'nothing' };
  return {
    id,
    schema: row.schema,
    name: row.name,
    kind: relationKind(row),
    owner: row.owner,
    ...optional('comment', row.comment),
    columns: parts.columns,
    keys: [...of('p'), ...of('u')].map((key) => toKey(key, parts.names)),
    checks: of('c').map(toCheck),
    exclusions: of('x').map(toExclusion),
    foreignKeys: of('f').map((key) => toForeignKey(key, parts.names)),
    indexes: parts.indexes.map((index) => toIndex(index, parts.names)),
    triggers: parts.triggers,
    rules: parts.rules.map(toRule),
    policies: parts.policies.map((policy) => toPolicy(policy, id)),
    rowSecurity: row.forcedRowSecurity
      ? row.rowSecurity
        ? 'forced'
        : 'off'
      : row.rowSecurity
        ? 'on'
        : 'off',
    grants: parts.grants,
    ...(row.isPartition && parent !== undefined && { partitionOf: { parent, bound: row.bound ?? '' } }),
    ...optional('partitionBy', row.partitionKey),
    inherits: row.isPartition ? [] : parents,
    replicaIdentity,
    persistence: row.persistence === 'u' ? 'unlogged' : row.persistence === 't' ? 'temporary' : 'permanent',
    options: [...(row.options ?? []), ...(row.toastOptions ?? []).map((option) => `toast.${option}`)],
    estimatedRows: row.rows < 0 ? null : Math.round(row.rows),
    bytes: row.bytes,
    ...(row.definition !== null && { definition: row.definition.trim().replace(/;$/, '') }),
    reads: parts.reads,
    calls: parts.calls,
    ...(row.kind !== 'v' && { storage: row.storage }),
  };
}
