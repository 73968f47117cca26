/** CREATE TABLE, ALTER TABLE and CREATE INDEX of a dump, written into drafts. */
import type {
  AlterTableCmd,
  ColumnDef,
  Constraint,
  CreateStmt,
  IndexElem,
  IndexStmt,
  Node,
  PartitionBoundSpec,
} from 'libpg-query';
import type { ForeignKey, Index, ReferentialAction, UniqueKey } from '../../model/database-schema.js';
import { relationId } from '../../model/relation-id.js';
import type { ColumnDraft, DumpSchema, RelationDraft } from './postgres-dump-schema.js';
import { written } from './postgres-dump-schema.js';
import type { StatementText } from './postgres-dump-source.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';
import { quoteIfNeeded, writtenType } from './postgres-type-names.js';

export const strings = (nodes: readonly Node[] | undefined): string[] =>
  (nodes ?? []).flatMap((node) => ('String' in node ? [node.String.sval ?? ''] : []));

const ACTIONS: Readonly<Record<string, ReferentialAction>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};
const MAX_NAME = 63;

/** As the server makes up a name: parts shortened, longer one first, until it fits. */
function madeUpName(table: string, columns: string, label: string): string {
  let first = table;
  let second = columns;
  const room = MAX_NAME - label.length - 1 - (columns === '' ? 0 : 1);
  while (first.length + second.length > room) {
    if (first.length > second.length) first = first.slice(0, -1);
    else second = second.slice(0, -1);
  }
  return [first, ...(columns === '' ? [] : [second]), label].join('_');
}

export function createTable(
  schema: DumpSchema,
  stmt: CreateStmt,
  text: StatementText,
  kind: 'table' | 'foreign-table',
): void {
  const id = schema.resolveRange(stmt.relation);
  if (stmt.if_not_exists === true && schema.relations.has(id)) return;
  const draft = schema.addRelation(stmt.relation, stmt.partspec === undefined ? kind : 'partitioned');
  if (stmt.partspec !== undefined) {
    const strategy = (stmt.partspec.strategy ?? 'PARTITION_STRATEGY_RANGE').replace(
      'PARTITION_STRATEGY_',
      '',
    );
    draft.partitionBy = `${strategy} (${text.parenthesised(stmt.partspec.location)})`;
  }
  const parents = (stmt.inhRelations ?? []).flatMap((node) =>
    'RangeVar' in node ? [schema.resolveRange(node.RangeVar)] : [],
  );
  if (stmt.partbound === undefined) draft.inherits.push(...parents);
  else if (parents[0] !== undefined) attach(draft, parents[0], stmt.partbound, text);
  const constraints: Constraint[] = [];
  for (const element of stmt.tableElts ?? []) {
    if ('ColumnDef' in element) addColumn(schema, draft, element.ColumnDef, text);
    else if ('Constraint' in element) constraints.push(element.Constraint);
    else if ('TableLikeClause' in element) {
      const source = schema.relations.get(schema.resolveRange(element.TableLikeClause.relation));
      for (const column of source?.columns ?? []) draft.columns.push({ ...column, isInherited: false });
    }
  }
  for (const constraint of constraints) addConstraint(schema, draft, constraint, [], text);
}

function attach(draft: RelationDraft, parent: string, bound: PartitionBoundSpec, text: StatementText): void {
  if (draft.kind === 'table') draft.kind = 'partition';
  const clause =
    bound.is_default === true
      ? 'DEFAULT'
      : text
          .from(bound.location)
          .replace(/\s*PARTITION\s+BY[\s\S]*$/i, '')
          .trim();
  const sql = /^(?:DEFAULT|FOR VALUES)/i.test(clause) ? clause : `FOR VALUES ${clause}`;
  draft.partitionOf = { parent, bound: sql };
}

export function addColumn(
  schema: DumpSchema,
  draft: RelationDraft,
  definition: ColumnDef,
  text: StatementText,
): void {
  const name = definition.colname ?? '';
  const existing = draft.columns.find((candidate) => candidate.name === name);
  const column: ColumnDraft = existing ?? {
    name,
    position: draft.columns.length + 1,
    type: '',
    baseType: '',
    isArray: false,
    isNullable: true,
    isInherited: definition.is_from_type === true,
  };
  if (existing === undefined) draft.columns.push(column);
  let isSerial = false;
  if (definition.typeName !== undefined) isSerial = setType(schema, column, definition);
  const collation = strings(definition.collClause?.collname).at(-1);
  if (collation !== undefined) column.collation = collation;
  let last: Constraint | undefined;
  for (const node of definition.constraints ?? []) {
    if (!('Constraint' in node)) continue;
    const constraint = node.Constraint;
    if (constraint.contype === 'CONSTR_ATTR_DEFERRABLE' || constraint.contype === 'CONSTR_ATTR_DEFERRED') {
      if (last?.contype === 'CONSTR_FOREIGN') defer(draft, constraint.contype === 'CONSTR_ATTR_DEFERRED');
      continue;
    }
    last = constraint;
    addConstraint(schema, draft, constraint, [name], text);
  }
  if (isSerial) {
    const sequence = madeUpName(draft.name, name, 'seq');
    schema.addSequence(draft.schema, sequence, {
      type: column.type,
      ownedBy: { relation: draft.id, column: name },
    });
    column.sequence = relationId(draft.schema, sequence);
    column.default = `nextval('${draft.schema}.${sequence}'::regclass)`;
    column.isNullable = false;
  }
}

function defer(draft: RelationDraft, isInitiallyDeferred: boolean): void {
  const key = draft.foreignKeys.pop();
  if (key !== undefined) draft.foreignKeys.push({ ...key, isDeferrable: true, isInitiallyDeferred });
}

function setType(schema: DumpSchema, column: ColumnDraft, definition: ColumnDef): boolean {
  const type = writtenType(definition.typeName ?? {});
  const own = schema.typeId(type.schema, type.name);
  const prefix = own === undefined ? type.schema : own.slice(0, own.indexOf('.'));
  column.type = prefix === undefined ? type.display : `${quoteIfNeeded(prefix)}.${type.display}`;
  column.baseType = own === undefined ? type.name : schema.baseTypeOf(own);
  column.isArray = type.isArray;
  if (own !== undefined) column.userType = own;
  const relation = own === undefined ? schema.rowTypeOf(type) : undefined;
  if (relation !== undefined) column.rowTypeOf = relation;
  return type.isSerial;
}

function columnOf(draft: RelationDraft, name: string): ColumnDraft {
  const found = draft.columns.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  // A partition written without columns, which come from its parent at the end.
  return { name, position: 0, type: '', baseType: '', isArray: false, isNullable: true, isInherited: false };
}

/** `column`: the column that carries it, empty for a table constraint. */
function addConstraint(
  schema: DumpSchema,
  draft: RelationDraft,
  constraint: Constraint,
  column: readonly string[],
  text: StatementText,
): void {
  const own = column[0] === undefined ? undefined : columnOf(draft, column[0]);
  switch (constraint.contype) {
    case 'CONSTR_NOTNULL':
      for (const name of [...column, ...strings(constraint.keys)]) columnOf(draft, name).isNullable = false;
      return;
    case 'CONSTR_DEFAULT':
      if (own !== undefined) setDefault(schema, own, constraint.raw_expr, defaultText(constraint, text));
      return;
    case 'CONSTR_IDENTITY':
      if (own !== undefined) setIdentity(schema, draft, own, constraint);
      return;
    case 'CONSTR_GENERATED':
      if (own !== undefined)
        own.generated = {
          expression: text.parenthesised(constraint.location),
          stored: constraint.generated_kind !== 'v',
        };
      return;
    case 'CONSTR_CHECK':
      draft.checks.push({
        name: constraint.conname ?? madeUpName(draft.name, column[0] ?? '', 'check'),
        expression: text.parenthesised(constraint.location),
        isValidated: constraint.skip_validation !== true,
        isNoInherit: constraint.is_no_inherit === true,
        isInherited: false,
      });
      return;
    case 'CONSTR_PRIMARY':
    case 'CONSTR_UNIQUE':
      addKey(draft, constraint, column, constraint.contype === 'CONSTR_PRIMARY' ? 'primary' : 'unique');
      return;
    case 'CONSTR_FOREIGN':
      draft.foreignKeys.push(foreignKey(schema, draft, constraint, column));
      return;
    case 'CONSTR_EXCLUSION':
      draft.exclusions.push({
        name: constraint.conname ?? madeUpName(draft.name, '', 'excl'),
        definition: `EXCLUDE USING ${constraint.access_method ?? 'btree'} (${text.parenthesised(constraint.location)})`,
        isDeferrable: constraint.deferrable === true,
      });
      return;
    default:
  }
}

function defaultText(constraint: Constraint, text: StatementText): string {
  return text.expression(constraint.location).replace(/^(?:CONSTRAINT\s+\S+\s+)?DEFAULT\s+/i, '');
}

export function setDefault(
  schema: DumpSchema,
  column: ColumnDraft,
  expression: Node | undefined,
  sql: string,
): void {
  column.default = sql;
  if (expression === undefined || !('FuncCall' in expression)) return;
  if (strings(expression.FuncCall.funcname).at(-1) !== 'nextval') return;
  const sequence = /'((?:[^']|'')+)'/.exec(sql)?.[1]?.replaceAll("''", "'");
  if (sequence === undefined) return;
  const parts = [...sequence.matchAll(/"((?:[^"]|"")+)"|([^."]+)/g)].map(
    (match) => match[1]?.replaceAll('""', '"') ?? (match[2] as string),
  );
  const name = parts.at(-1) as string;
  const written = parts.length > 1 ? { schema: parts.at(-2) as string, name } : { name };
  column.sequence = schema.resolve(written);
}

function setIdentity(
  schema: DumpSchema,
  draft: RelationDraft,
  column: ColumnDraft,
  constraint: Constraint,
): void {
  column.identity = constraint.generated_when === 'a' ? 'always' : 'by-default';
  column.isNullable = false;
  let sequenceSchema = draft.schema;
  let name = madeUpName(draft.name, column.name, 'seq');
  for (const option of constraint.options ?? []) {
    if (!('DefElem' in option) || option.DefElem.defname !== 'sequence_name') continue;
    const arg = option.DefElem.arg;
    const parts = arg !== undefined && 'List' in arg ? strings(arg.List.items) : [];
    name = parts.at(-1) ?? name;
    sequenceSchema = parts.length > 1 ? (parts.at(-2) as string) : sequenceSchema;
  }
  schema.addSequence(sequenceSchema, name, {
    type: column.type,
    isIdentity: true,
    ownedBy: { relation: draft.id, column: column.name },
  });
  column.sequence = relationId(sequenceSchema, name);
}

function addKey(
  draft: RelationDraft,
  constraint: Constraint,
  column: readonly string[],
  kind: 'primary' | 'unique',
): void {
  // USING INDEX turns an index that is there into a constraint.
  const index = draft.indexes.find((candidate) => candidate.name === constraint.indexname);
  const columns = index?.columns ?? (column.length > 0 ? column : strings(constraint.keys));
  const name =
    constraint.conname ??
    (kind === 'primary'
      ? madeUpName(draft.name, '', 'pkey')
      : madeUpName(draft.name, columns.join('_'), 'key'));
  if (kind === 'primary') for (const key of columns) columnOf(draft, key).isNullable = false;
  const include = strings(constraint.including);
  const key: UniqueKey = {
    name,
    kind,
    columns: [...columns],
    isDeferrable: constraint.deferrable === true,
    isInitiallyDeferred: constraint.initdeferred === true,
    nullsNotDistinct: constraint.nulls_not_distinct === true,
    include,
  };
  draft.keys.push(key);
  if (index !== undefined) draft.indexes.splice(draft.indexes.indexOf(index), 1);
  draft.indexes.push({
    name,
    isUnique: true,
    isPrimary: kind === 'primary',
    constraint: name,
    isValid: true,
    isImmediate: !key.isDeferrable,
    method: 'btree',
    columns: [...columns],
    hasExpression: false,
    include,
    definition: `CREATE UNIQUE INDEX ${quoteIfNeeded(name)} ON ${quoteRelation(draft.id)} USING btree (${columns.map(quoteIfNeeded).join(', ')})`,
    isInherited: false,
  });
}

function foreignKey(
  schema: DumpSchema,
  draft: RelationDraft,
  constraint: Constraint,
  column: readonly string[],
): ForeignKey {
  const columns = column.length > 0 ? [...column] : strings(constraint.fk_attrs);
  const parent = schema.resolve(written(constraint.pktable));
  const parentColumns = strings(constraint.pk_attrs);
  const onDelete = ACTIONS[constraint.fk_del_action ?? 'a'] ?? 'no action';
  const onUpdate = ACTIONS[constraint.fk_upd_action ?? 'a'] ?? 'no action';
  const list = (names: readonly string[]): string => names.map(quoteIdentifier).join(', ');
  const clauses = [
    `FOREIGN KEY (${list(columns)}) REFERENCES ${quoteRelation(parent)}`,
    parentColumns.length > 0 ? `(${list(parentColumns)})` : '',
    constraint.fk_matchtype === 'f' ? ' MATCH FULL' : '',
    onUpdate === 'no action' ? '' : ` ON UPDATE ${onUpdate.toUpperCase()}`,
    onDelete === 'no action' ? '' : ` ON DELETE ${onDelete.toUpperCase()}`,
    constraint.deferrable === true ? ' DEFERRABLE' : '',
    constraint.initdeferred === true ? ' INITIALLY DEFERRED' : '',
  ];
  return {
    name: constraint.conname ?? madeUpName(draft.name, columns.join('_'), 'fkey'),
    columns,
    parent,
    parentColumns,
    onDelete,
    onUpdate,
    match: constraint.fk_matchtype === 'f' ? 'full' : 'simple',
    isDeferrable: constraint.deferrable === true,
    isInitiallyDeferred: constraint.initdeferred === true,
    isValidated: constraint.skip_validation !== true,
    isInherited: false,
    definition: clauses.join(''),
  };
}

const TRIGGER_STATES: Readonly<Record<string, 'origin' | 'disabled' | 'replica' | 'always'>> = {
  AT_EnableTrig: 'origin',
  AT_EnableTrigAll: 'origin',
  AT_EnableTrigUser: 'origin',
  AT_EnableAlwaysTrig: 'always',
  AT_EnableReplicaTrig: 'replica',
  AT_DisableTrig: 'disabled',
  AT_DisableTrigAll: 'disabled',
  AT_DisableTrigUser: 'disabled',
};

/** Commands that analysis and planning have no use for (statistics, clustering, storage parameters) change nothing. */
export function alterTable(
  schema: DumpSchema,
  draft: RelationDraft,
  command: AlterTableCmd,
  text: StatementText,
): void {
  const def = command.def;
  const column = command.name === undefined ? undefined : columnOf(draft, command.name);
  switch (command.subtype) {
    case 'AT_AddColumn':
      if (def !== undefined && 'ColumnDef' in def) addColumn(schema, draft, def.ColumnDef, text);
      return;
    case 'AT_AddConstraint':
      if (def !== undefined && 'Constraint' in def) addConstraint(schema, draft, def.Constraint, [], text);
      return;
    case 'AT_AlterColumnType':
      if (column !== undefined && def !== undefined && 'ColumnDef' in def)
        setType(schema, column, def.ColumnDef);
      return;
    case 'AT_ColumnDefault':
      if (column === undefined) return;
      if (def === undefined) delete column.default;
      else
        setDefault(schema, column, def, /\bSET\s+DEFAULT\s+([\s\S]+)$/i.exec(text.text)?.[1]?.trim() ?? '');
      return;
    case 'AT_SetNotNull':
    case 'AT_DropNotNull':
      if (column !== undefined) column.isNullable = command.subtype === 'AT_DropNotNull';
      return;
    case 'AT_AddIdentity':
      if (column !== undefined && def !== undefined && 'Constraint' in def)
        setIdentity(schema, draft, column, def.Constraint);
      return;
    case 'AT_AttachPartition':
      if (def !== undefined && 'PartitionCmd' in def) {
        const part = schema.relations.get(schema.resolveRange(def.PartitionCmd.name));
        if (part !== undefined && def.PartitionCmd.bound !== undefined)
          attach(part, draft.id, def.PartitionCmd.bound, text);
      }
      return;
    case 'AT_AddInherit':
      if (def !== undefined && 'RangeVar' in def) draft.inherits.push(schema.resolveRange(def.RangeVar));
      return;
    case 'AT_ReplicaIdentity':
      if (def !== undefined && 'ReplicaIdentityStmt' in def) {
        const { identity_type: type, name } = def.ReplicaIdentityStmt;
        draft.replicaIdentity =
          type === 'i' && name !== undefined
            ? { kind: 'index', index: name }
            : { kind: type === 'f' ? 'full' : type === 'n' ? 'nothing' : 'default' };
      }
      return;
    case 'AT_EnableRowSecurity':
      if (draft.rowSecurity === 'off') draft.rowSecurity = 'on';
      return;
    case 'AT_ForceRowSecurity':
      draft.rowSecurity = 'forced';
      return;
    case 'AT_ChangeOwner':
      if (command.newowner?.rolename !== undefined) draft.owner = command.newowner.rolename;
      return;
    case 'AT_DropColumn':
      draft.columns = draft.columns.filter((candidate) => candidate.name !== command.name);
      return;
    case 'AT_DropConstraint':
      draft.keys = draft.keys.filter((key) => key.name !== command.name);
      draft.indexes = draft.indexes.filter((index) => index.name !== command.name);
      draft.foreignKeys = draft.foreignKeys.filter((key) => key.name !== command.name);
      draft.checks = draft.checks.filter((check) => check.name !== command.name);
      return;
    default: {
      const enabled = TRIGGER_STATES[command.subtype ?? ''];
      if (enabled === undefined) return;
      draft.triggers = draft.triggers.map((trigger) =>
        command.name === undefined || trigger.name === command.name ? { ...trigger, enabled } : trigger,
      );
      return;
    }
  }
}

export function createIndex(schema: DumpSchema, stmt: IndexStmt, text: StatementText): void {
  const draft = schema.relations.get(schema.resolveRange(stmt.relation));
  if (draft === undefined) return;
  const elements = (nodes: readonly Node[] | undefined): IndexElem[] =>
    (nodes ?? []).flatMap((node) => ('IndexElem' in node ? [node.IndexElem] : []));
  const keys = elements(stmt.indexParams);
  const hasExpression = keys.some((element) => element.name === undefined);
  const predicate = stmt.whereClause === undefined ? undefined : /\bWHERE\s+([\s\S]+)$/i.exec(text.text)?.[1];
  const name = stmt.idxname ?? madeUpName(draft.name, keys.map((key) => key.name ?? 'expr').join('_'), 'idx');
  const index: Index = {
    name,
    isUnique: stmt.unique === true,
    isPrimary: false,
    isValid: true,
    isImmediate: true,
    method: stmt.accessMethod ?? 'btree',
    columns: hasExpression ? [] : keys.map((key) => key.name ?? ''),
    hasExpression,
    ...(predicate === undefined ? {} : { predicate: predicate.trim() }),
    include: elements(stmt.indexIncludingParams).map((element) => element.name ?? ''),
    definition: text.text.trim(),
    isInherited: false,
  };
  draft.indexes.push(index);
}
