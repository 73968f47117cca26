/** Types, sequences, routines, views, roles, grants → statements. */
import type { Grant, Relation, Routine, Sequence, UserType } from '../../model/database-schema.js';
import { relationId } from '../../model/relation-id.js';
import type { Stage } from '../engine.js';
import { comment, isThere, type StatementList } from './postgres-ddl-statements.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

const literal = (text: string): string => quoteLiteral(text).trim();

export const grantee = (name: string): string => (name === 'PUBLIC' ? 'PUBLIC' : quoteIdentifier(name));

/** Grants on one object, gathered by grantee. */
export function grantStatements(on: string, grants: readonly Grant[]): readonly string[] {
  const groups = new Map<string, { readonly grant: Grant; readonly privileges: string[] }>();
  for (const grant of grants) {
    const key = JSON.stringify([grant.grantee, grant.isGrantable]);
    const privilege =
      grant.column === undefined ? grant.privilege : `${grant.privilege} (${quoteIdentifier(grant.column)})`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { grant, privileges: [privilege] });
    else group.privileges.push(privilege);
  }
  return [...groups.values()].map(
    ({ grant, privileges }) =>
      `GRANT ${privileges.join(', ')} ON ${on} TO ${grantee(grant.grantee)}${grant.isGrantable ? ' WITH GRANT OPTION' : ''}`,
  );
}

/** Without a password and unable to log in: who may, and how, is the user's to say. */
export const createRole = (role: string): string =>
  `DO $dbps$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)}) ` +
  `THEN CREATE ROLE ${quoteIdentifier(role)} NOLOGIN; END IF; END $dbps$`;

export function addType(list: StatementList, type: UserType): void {
  const id = relationId(type.schema, type.name);
  const name = quoteRelation(id);
  const make = (sql: string, word: string) => {
    list.add('base', 'base', `type ${id}`, sql, {
      undo: `DROP ${word} IF EXISTS ${name}`,
      unless: isThere.type(id),
    });
    const remark = comment(`${word} ${name}`, type.comment);
    if (remark !== null) list.add('base', 'base', `comment on type ${id}`, remark);
  };
  switch (type.kind) {
    case 'enum':
      make(`CREATE TYPE ${name} AS ENUM (${type.labels.map(literal).join(', ')})`, 'TYPE');
      break;
    case 'domain':
      make(
        [
          `CREATE DOMAIN ${name} AS ${type.baseType}`,
          ...(type.collation === undefined ? [] : [`COLLATE ${type.collation}`]),
          ...(type.default === undefined ? [] : [`DEFAULT ${type.default}`]),
          ...(type.isNullable ? [] : ['NOT NULL']),
          ...type.checks.map(
            (check) => `CONSTRAINT ${quoteIdentifier(check.name)} CHECK (${check.expression})`,
          ),
        ].join(' '),
        'DOMAIN',
      );
      break;
    case 'composite':
      make(
        `CREATE TYPE ${name} AS (${type.attributes.map((a) => `${quoteIdentifier(a.name)} ${a.type}`).join(', ')})`,
        'TYPE',
      );
      break;
    case 'range':
      make(`CREATE TYPE ${name} AS RANGE (SUBTYPE = ${type.subtype})`, 'TYPE');
  }
}

export function sequenceOptions(sequence: Sequence): string {
  return (
    `INCREMENT BY ${sequence.increment} MINVALUE ${sequence.minimum} MAXVALUE ${sequence.maximum} ` +
    `START WITH ${sequence.start} CACHE ${sequence.cache} ${sequence.isCycling ? 'CYCLE' : 'NO CYCLE'}`
  );
}

export function addSequence(list: StatementList, sequence: Sequence): void {
  const name = quoteRelation(sequence.id);
  list.add(
    'base',
    'base',
    `sequence ${sequence.id}`,
    `CREATE SEQUENCE ${name} AS ${sequence.type} ${sequenceOptions(sequence)}`,
    { undo: `DROP SEQUENCE IF EXISTS ${name}`, unless: isThere.relation(sequence.id) },
  );
}

/** After the tables: an identity's sequence is there only then. */
export function addSequenceExtras(list: StatementList, sequence: Sequence): void {
  const name = quoteRelation(sequence.id);
  if (sequence.ownedBy !== undefined && !sequence.isIdentity)
    list.add(
      'base',
      'base',
      `sequence ${sequence.id} goes with ${sequence.ownedBy.relation}.${sequence.ownedBy.column}`,
      `ALTER SEQUENCE ${name} OWNED BY ${quoteRelation(sequence.ownedBy.relation)}.${quoteIdentifier(sequence.ownedBy.column)}`,
    );
  for (const sql of grantStatements(`SEQUENCE ${name}`, sequence.grants))
    list.add('base', 'base', `grants on sequence ${sequence.id}`, sql);
  const remark = comment(`SEQUENCE ${name}`, sequence.comment);
  if (remark !== null) list.add('base', 'base', `comment on sequence ${sequence.id}`, remark);
}

/** `(a integer, VARIADIC b text[])`; an aggregate without arguments is written with a star. */
const routineName = (routine: Routine): string =>
  quoteRelation(relationId(routine.schema, routine.name)) +
  (routine.kind === 'aggregate' && routine.signature === '()' ? '(*)' : routine.signature);

export function addRoutine(list: StatementList, routine: Routine, stage: Stage, group: string): void {
  const name = routineName(routine);
  const word =
    routine.kind === 'aggregate' ? 'AGGREGATE' : routine.kind === 'procedure' ? 'PROCEDURE' : 'FUNCTION';
  const isAggregate = routine.kind === 'aggregate';
  list.add(
    stage,
    group,
    `${routine.kind} ${routine.id}`,
    // pg_get_functiondef writes CREATE OR REPLACE already.
    isAggregate
      ? routine.definition.replace(/^CREATE AGGREGATE/, 'CREATE OR REPLACE AGGREGATE')
      : routine.definition,
    { undo: `DROP ${word} IF EXISTS ${name}` },
  );
  if (!routine.grants.some((grant) => grant.grantee === 'PUBLIC'))
    list.add(stage, group, `${routine.id} is not for everyone`, `REVOKE ALL ON ROUTINE ${name} FROM PUBLIC`);
  const others = routine.grants.filter((grant) => grant.grantee !== 'PUBLIC' || grant.isGrantable);
  for (const sql of grantStatements(`ROUTINE ${name}`, others))
    list.add(stage, group, `grants on ${routine.id}`, sql);
  const remark = comment(`${word} ${name}`, routine.comment);
  if (remark !== null) list.add(stage, group, `comment on ${routine.id}`, remark);
}

const withOptions = (options: readonly string[]): string =>
  options.length === 0
    ? ''
    : ` WITH (${options
        .map((option) => {
          const at = option.indexOf('=');
          return at < 0 ? option : `${option.slice(0, at)}=${literal(option.slice(at + 1))}`;
        })
        .join(', ')})`;
export { withOptions };

export function addView(list: StatementList, view: Relation, stage: Stage, group: string): void {
  const name = quoteRelation(view.id);
  const isMaterialized = view.kind === 'materialized-view';
  const word = isMaterialized ? 'MATERIALIZED VIEW' : 'VIEW';
  list.add(
    stage,
    group,
    `${isMaterialized ? 'materialized view' : 'view'} ${view.id}`,
    `CREATE ${word} ${name}${withOptions(view.options)} AS\n${view.definition ?? ''}${isMaterialized ? '\n WITH NO DATA' : ''}`,
    { undo: `DROP ${word} IF EXISTS ${name}`, unless: isThere.relation(view.id) },
  );
  for (const column of view.columns) {
    const of = `${name}.${quoteIdentifier(column.name)}`;
    if (column.default !== undefined)
      list.add(
        stage,
        group,
        `default of ${view.id}.${column.name}`,
        `ALTER VIEW ${name} ALTER COLUMN ${quoteIdentifier(column.name)} SET DEFAULT ${column.default}`,
      );
    const remark = comment(`COLUMN ${of}`, column.comment);
    if (remark !== null) list.add(stage, group, `comment on ${view.id}.${column.name}`, remark);
  }
  for (const sql of grantStatements(`TABLE ${name}`, view.grants))
    list.add(stage, group, `grants on ${view.id}`, sql);
  const remark = comment(`${word} ${name}`, view.comment);
  if (remark !== null) list.add(stage, group, `comment on ${view.id}`, remark);
}
