/** Everything of a dump that is not a table: types, sequences, routines, views, triggers, rules, policies, grants, comments. */
import type {
  CommentStmt,
  CreateFunctionStmt,
  CreatePolicyStmt,
  CreateSeqStmt,
  CreateTableAsStmt,
  CreateTrigStmt,
  DefElem,
  DropStmt,
  GrantStmt,
  Node,
  RenameStmt,
  RoleSpec,
  RuleStmt,
  SelectStmt,
  ViewStmt,
} from 'libpg-query';
import type { Grant } from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { DumpSchema, RelationDraft, RoutineDraft, SequenceDraft } from './postgres-dump-schema.js';
import type { StatementText } from './postgres-dump-source.js';
import { strings } from './postgres-dump-tables.js';
import { readTree } from './postgres-statement-reader.js';
import { quoteIfNeeded, writtenType, writtenTypeNames } from './postgres-type-names.js';

/** Qualified name written as a list of strings. */
export function nameOf(
  nodes: readonly Node[] | undefined,
  schema: DumpSchema,
): { schema: string; name: string } {
  const parts = strings(nodes);
  return {
    schema: parts.length > 1 ? (parts.at(-2) as string) : schema.creationSchema,
    name: parts.at(-1) ?? '',
  };
}

const option = (options: readonly Node[] | undefined, name: string): DefElem | undefined => {
  for (const node of options ?? [])
    if ('DefElem' in node && node.DefElem.defname === name) return node.DefElem;
  return undefined;
};

const numberOf = (element: DefElem | undefined): string | undefined => {
  const arg = element?.arg;
  if (arg === undefined) return undefined;
  if ('Integer' in arg) return String(arg.Integer.ival ?? 0);
  return 'Float' in arg ? arg.Float.fval : undefined;
};

// ---------------------------------------------------------------- views

export function createView(schema: DumpSchema, stmt: ViewStmt, text: StatementText): void {
  const draft = schema.addRelation(stmt.view, 'view');
  fillView(schema, draft, stmt.query, strings(stmt.aliases), text);
}

/** @returns false for CREATE TABLE AS, whose columns no reader can know. */
export function createTableAs(schema: DumpSchema, stmt: CreateTableAsStmt, text: StatementText): boolean {
  const isView = stmt.objtype === 'OBJECT_MATVIEW';
  const draft = schema.addRelation(stmt.into?.rel, isView ? 'materialized-view' : 'table');
  fillView(schema, draft, stmt.query, strings(stmt.into?.colNames), text);
  return isView;
}

function fillView(
  schema: DumpSchema,
  draft: RelationDraft,
  query: Node | undefined,
  names: readonly string[],
  text: StatementText,
): void {
  draft.definition = text.text
    .replace(/^[\s\S]*?\bAS\s+(?=\(?\s*(?:SELECT|WITH|VALUES|TABLE)\b)/i, '')
    .trim();
  const targets = query !== undefined && 'SelectStmt' in query ? outputNames(query.SelectStmt) : [];
  targets.forEach((target, index) => {
    draft.columns.push({
      name: names[index] ?? target,
      position: index + 1,
      type: '',
      baseType: '',
      isArray: false,
      isNullable: true,
      isInherited: false,
    });
  });
  schema.recordView(draft, readTree([query]));
  schema.recordTypes(draft, writtenTypeNames(query));
}

function outputNames(select: SelectStmt): string[] {
  if (select.larg !== undefined) return outputNames(select.larg);
  return (select.targetList ?? []).flatMap((node) => {
    if (!('ResTarget' in node)) return [];
    const { name, val } = node.ResTarget;
    if (name !== undefined) return [name];
    if (val !== undefined && 'ColumnRef' in val) return strings(val.ColumnRef.fields).slice(-1);
    if (val !== undefined && 'FuncCall' in val) return strings(val.FuncCall.funcname).slice(-1);
    return ['?column?'];
  });
}

// ---------------------------------------------------------------- sequences

export function createSequence(schema: DumpSchema, stmt: CreateSeqStmt): void {
  const draft = schema.addSequence(
    stmt.sequence?.schemaname ?? schema.creationSchema,
    stmt.sequence?.relname ?? '',
  );
  alterSequence(schema, draft, stmt.options);
}

export function alterSequence(
  schema: DumpSchema,
  draft: SequenceDraft,
  options: readonly Node[] | undefined,
): void {
  const type = option(options, 'as')?.arg;
  if (type !== undefined && 'TypeName' in type) draft.type = writtenType(type.TypeName).display;
  draft.start = numberOf(option(options, 'start')) ?? draft.start;
  draft.minimum = numberOf(option(options, 'minvalue')) ?? draft.minimum;
  draft.maximum = numberOf(option(options, 'maxvalue')) ?? draft.maximum;
  draft.increment = numberOf(option(options, 'increment')) ?? draft.increment;
  draft.cache = numberOf(option(options, 'cache')) ?? draft.cache;
  if (option(options, 'cycle') !== undefined) draft.isCycling = true;
  const owner = option(options, 'owned_by')?.arg;
  const parts = owner !== undefined && 'List' in owner ? strings(owner.List.items) : [];
  if (parts.length < 2) return;
  const name = parts.at(-2) as string;
  const relation = schema.resolve(parts.length > 2 ? { schema: parts.at(-3) as string, name } : { name });
  draft.ownedBy = { relation, column: parts.at(-1) as string };
}

// ---------------------------------------------------------------- routines, triggers, rules, policies

export function createRoutine(schema: DumpSchema, stmt: CreateFunctionStmt, text: StatementText): void {
  const { schema: routineSchema, name } = nameOf(stmt.funcname, schema);
  const args: string[] = [];
  for (const node of stmt.parameters ?? []) {
    if (!('FunctionParameter' in node)) continue;
    const { mode, argType, name: argName } = node.FunctionParameter;
    if (mode === 'FUNC_PARAM_OUT' || mode === 'FUNC_PARAM_TABLE') continue;
    const type = typeText(schema, argType ?? {});
    const prefix = mode === 'FUNC_PARAM_VARIADIC' ? 'VARIADIC ' : mode === 'FUNC_PARAM_INOUT' ? 'INOUT ' : '';
    args.push(`${prefix}${argName === undefined ? '' : `${quoteIfNeeded(argName)} `}${type}`);
  }
  const language = option(stmt.options, 'language')?.arg;
  const security = option(stmt.options, 'security')?.arg;
  const returns = stmt.returnType === undefined ? undefined : typeText(schema, stmt.returnType);
  schema.schemas.add(routineSchema);
  const signature = `(${args.join(', ')})`;
  // As the server identifies it: overloads have the same name.
  const id = `${relationId(routineSchema, name)}${signature}`;
  const existing = schema.routines.findIndex((known) => known.id === id);
  if (existing !== -1) schema.routines.splice(existing, 1);
  const draft: RoutineDraft = {
    id,
    schema: routineSchema,
    name,
    kind: stmt.is_procedure === true ? 'procedure' : 'function',
    language:
      language !== undefined && 'String' in language ? (language.String.sval ?? 'sql').toLowerCase() : 'sql',
    signature,
    ...(returns === undefined ? {} : { returns }),
    isTrigger: returns === 'trigger',
    isSecurityDefiner: security !== undefined && 'Boolean' in security && security.Boolean.boolval === true,
    definition: text.text.trim(),
    reads: [],
    writes: [],
    calls: [],
    isOpaque: true,
    grants: [],
    arguments: args.join(', '),
  };
  schema.routines.push(draft);
  schema.recordTypes(
    draft,
    writtenTypeNames([stmt.parameters, { returnType: stmt.returnType }, stmt.sql_body]),
  );
}

function typeText(schema: DumpSchema, type: Parameters<typeof writtenType>[0]): string {
  const { schema: own, display, name } = writtenType(type);
  const id = schema.typeId(own, name);
  const prefix = id === undefined ? own : id.slice(0, id.indexOf('.'));
  const text = prefix === undefined ? display : `${quoteIfNeeded(prefix)}.${display}`;
  return type.setof === true ? `SETOF ${text}` : text;
}

const EVENTS: readonly (readonly [number, string])[] = [
  [4, 'INSERT'],
  [8, 'DELETE'],
  [16, 'UPDATE'],
  [32, 'TRUNCATE'],
];

export function createTrigger(schema: DumpSchema, stmt: CreateTrigStmt, text: StatementText): boolean {
  const draft = schema.relations.get(schema.resolveRange(stmt.relation));
  if (draft === undefined) return false;
  const { schema: routineSchema, name } = nameOf(stmt.funcname, schema);
  const timing = stmt.timing ?? 0;
  draft.triggers.push({
    name: stmt.trigname ?? '',
    timing: (timing & 2) !== 0 ? 'BEFORE' : (timing & 64) !== 0 ? 'INSTEAD OF' : 'AFTER',
    events: EVENTS.filter(([bit]) => ((stmt.events ?? 0) & bit) !== 0).map(([, event]) => event),
    level: stmt.row === true ? 'row' : 'statement',
    routine: relationId(routineSchema, name),
    enabled: 'origin',
    definition: text.text.trim(),
    isInherited: false,
    reads: [],
    writes: [],
  });
  return true;
}

export function createRule(schema: DumpSchema, stmt: RuleStmt, text: StatementText): boolean {
  const draft = schema.relations.get(schema.resolveRange(stmt.relation));
  if (draft === undefined) return false;
  const use = readTree(stmt.actions ?? []);
  const touched = [...use.reads, ...use.writes].filter(({ name }) => name !== 'old' && name !== 'new');
  draft.rules.push({
    name: stmt.rulename ?? '',
    event: (stmt.event ?? '').replace('CMD_', ''),
    isInstead: stmt.instead === true,
    definition: text.text.trim(),
    touches: [...new Set(touched.map((name) => schema.resolve(name)))].sort(),
  });
  return true;
}

export function createPolicy(schema: DumpSchema, stmt: CreatePolicyStmt, text: StatementText): boolean {
  const draft = schema.relations.get(schema.resolveRange(stmt.table));
  if (draft === undefined) return false;
  draft.policies.push({
    name: stmt.policy_name ?? '',
    command: (stmt.cmd_name ?? 'all').toUpperCase(),
    roles: roles(stmt.roles),
    definition: text.text.trim(),
  });
  return true;
}

function roles(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).flatMap((node) => ('RoleSpec' in node ? [roleName(node.RoleSpec)] : []));
}

const roleName = (role: RoleSpec): string =>
  role.roletype === 'ROLESPEC_PUBLIC' ? 'public' : (role.rolename ?? '');

// ---------------------------------------------------------------- grants and comments

const ALL_TABLE = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];
const ALL_SEQUENCE = ['SELECT', 'UPDATE', 'USAGE'];

export function grant(schema: DumpSchema, stmt: GrantStmt): void {
  if (stmt.is_grant !== true) return;
  const targets: { grants: Grant[] }[] = [];
  let all: readonly string[] = ALL_TABLE;
  for (const object of stmt.objects ?? []) {
    if (stmt.targtype === 'ACL_TARGET_ALL_IN_SCHEMA' && 'String' in object) {
      const drafts = stmt.objtype === 'OBJECT_SEQUENCE' ? schema.sequences : schema.relations;
      for (const draft of drafts.values()) if (draft.schema === object.String.sval) targets.push(draft);
    } else if ('RangeVar' in object) {
      const id = schema.resolveRange(object.RangeVar);
      const draft = schema.relations.get(id) ?? schema.sequences.get(id);
      if (draft !== undefined) targets.push(draft);
    } else if ('ObjectWithArgs' in object) {
      const { schema: routineSchema, name } = nameOf(object.ObjectWithArgs.objname, schema);
      targets.push(
        ...schema.routines.filter((routine) => routine.schema === routineSchema && routine.name === name),
      );
      all = ['EXECUTE'];
    }
  }
  if (stmt.objtype === 'OBJECT_SEQUENCE') all = ALL_SEQUENCE;
  for (const target of targets)
    for (const grantee of roles(stmt.grantees))
      for (const { privilege, column } of privileges(stmt, all))
        target.grants.push({
          grantee,
          privilege,
          isGrantable: stmt.grant_option === true,
          ...(column === undefined ? {} : { column }),
        });
}

function privileges(stmt: GrantStmt, all: readonly string[]): { privilege: string; column?: string }[] {
  if (stmt.privileges === undefined) return all.map((privilege) => ({ privilege }));
  return stmt.privileges.flatMap((node) => {
    if (!('AccessPriv' in node)) return [];
    const privilege = (node.AccessPriv.priv_name ?? 'ALL').toUpperCase();
    const columns = strings(node.AccessPriv.cols);
    return columns.length === 0 ? [{ privilege }] : columns.map((column) => ({ privilege, column }));
  });
}

export function comment(schema: DumpSchema, stmt: CommentStmt): void {
  const text = stmt.comment ?? '';
  const parts = stmt.object !== undefined && 'List' in stmt.object ? strings(stmt.object.List.items) : [];
  const relationOf = (names: readonly string[]): RelationDraft | undefined => {
    const name = names.at(-1) ?? '';
    const id = schema.resolve(names.length > 1 ? { schema: names.at(-2) as string, name } : { name });
    return schema.relations.get(id);
  };
  switch (stmt.objtype) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
    case 'OBJECT_FOREIGN_TABLE': {
      const draft = relationOf(parts);
      if (draft !== undefined) draft.comment = text;
      return;
    }
    case 'OBJECT_COLUMN': {
      const column = relationOf(parts.slice(0, -1))?.columns.find(
        (candidate) => candidate.name === parts.at(-1),
      );
      if (column !== undefined) column.comment = text;
      return;
    }
    default:
  }
}

// ---------------------------------------------------------------- later changes of a script

export function drop(schema: DumpSchema, stmt: DropStmt): void {
  for (const object of stmt.objects ?? []) {
    const parts = 'List' in object ? strings(object.List.items) : [];
    const id = schema.resolve(
      parts.length > 1
        ? { schema: parts.at(-2) as string, name: parts.at(-1) as string }
        : { name: parts[0] ?? '' },
    );
    if (stmt.removeType === 'OBJECT_SEQUENCE') schema.sequences.delete(id);
    else if (stmt.removeType === 'OBJECT_INDEX') dropIndex(schema, parts.at(-1) ?? '');
    else if (/^OBJECT_(?:TABLE|VIEW|MATVIEW|FOREIGN_TABLE)$/.test(stmt.removeType ?? ''))
      dropRelation(schema, id);
  }
}

function dropRelation(schema: DumpSchema, id: RelationId): void {
  schema.relations.delete(id);
  for (const draft of schema.relations.values())
    draft.foreignKeys = draft.foreignKeys.filter((key) => key.parent !== id);
}

function dropIndex(schema: DumpSchema, name: string): void {
  for (const draft of schema.relations.values())
    draft.indexes = draft.indexes.filter((index) => index.name !== name);
}

export function rename(schema: DumpSchema, stmt: RenameStmt): void {
  const id = schema.resolveRange(stmt.relation);
  const draft = schema.relations.get(id);
  if (draft === undefined) return;
  if (stmt.renameType === 'OBJECT_COLUMN') schema.renameColumn(id, stmt.subname ?? '', stmt.newname ?? '');
  else if (/^OBJECT_(?:TABLE|VIEW|MATVIEW)$/.test(stmt.renameType ?? ''))
    schema.rename(id, draft.schema, stmt.newname ?? '');
}
