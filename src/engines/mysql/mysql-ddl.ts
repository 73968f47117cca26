/**
 * A service's schema as MySQL statements, in load order and by stage. The auto-increment column and every other column of the primary key must
 * be indexed from the start, so the primary key belongs to the bare table; everything else can come later.
 */
import {
  isOwnable,
  type DatabaseSchema,
  type ForeignKey,
  type Grant,
  type Index,
  type Relation,
  type Routine,
  type Trigger,
} from '../../model/database-schema.js';
import type { ServicePlan } from '../../model/plan.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { Ddl, Stage, StagedStatement, Statement } from '../engine.js';
import { FOR_APPLICATIONS } from './mysql-accounts.js';
import { columnClause } from './mysql-column-clause.js';
import { adoptMysqlSchema } from './mysql-adopt.js';
import { alterMysqlSchema } from './mysql-ddl-alter.js';
import { INVOKER } from './mysql-relation-rows.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './mysql-sql.js';

export const mysqlDdl: Ddl = {
  quote: quoteIdentifier,
  drop: (object) => {
    const name = quoteIdentifier(object.name);
    if (object.on === undefined)
      return `DROP ${object.kind.toUpperCase()} ${quoteIdentifier(object.schema)}.${name};`;
    // A trigger is named in its table's database.
    return object.kind === 'foreign key'
      ? `ALTER TABLE ${quoteRelation(object.on)} DROP FOREIGN KEY ${name};`
      : `DROP ${object.kind.toUpperCase()} ${quoteIdentifier(parseRelationId(object.on).schema)}.${name};`;
  },
  createService: (plan: ServicePlan): readonly StagedStatement[] => createMysqlSchema(plan.schema),
  adopt: adoptMysqlSchema,
  alter: alterMysqlSchema,
};

export function createMysqlSchema(schema: DatabaseSchema): readonly StagedStatement[] {
  const tables = schema.relations.filter(isOwnable);
  const views = schema.relations.filter((relation) => relation.kind === 'view');
  const names = [...new Set(schema.relations.map((relation) => relation.schema))].sort();
  const grants = [
    ...grantStatements('base', tables.map(relationGrants)),
    ...grantStatements('constraint', [...views.map(relationGrants), ...schema.routines.map(routineGrants)]),
  ];
  return [
    ...names.map((name) =>
      statement(
        'base',
        `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(name)}`,
        `database ${name}`,
        null,
        isThere.database(name),
      ),
    ),
    ...tables.map(createTable),
    ...onceEach(grants, 'base'),
    ...tables.flatMap((table) => table.indexes.flatMap((index) => addIndex(table, index))),
    ...tables.flatMap(addChecks),
    // Without looking at the rows: the runner's sessions check no foreign keys, and neither do the applier's.
    ...tables.flatMap((table) => table.foreignKeys.map((key) => addForeignKey(table, key))),
    ...createViews(views),
    ...schema.routines.map(createRoutine),
    ...onceEach(grants, 'constraint'),
    ...tables.flatMap((table) => table.triggers.map((trigger) => createTrigger(table, trigger))),
  ];
}

/** Those of a stage, without accounts that an earlier stage has made. */
function onceEach(statements: readonly StagedStatement[], stage: Stage): readonly StagedStatement[] {
  return statements.filter(
    ({ sql }, i) =>
      statements[i]?.stage === stage && statements.findIndex((other) => other.sql === sql) === i,
  );
}

/** An event acts by itself, so it comes with the opening; a procedure waits until it is called. */
function createRoutine(routine: Routine): StagedStatement {
  return statement(
    routine.kind === 'event' ? 'open' : 'constraint',
    routine.definition,
    `${routine.kind} ${routine.id}`,
    `DROP ${routine.kind.toUpperCase()} IF EXISTS ${quoteRelation(relationId(routine.schema, routine.name))}`,
    isThere.routine(routine),
    undefined,
    routine.settings,
  );
}

interface Grantable {
  /** As GRANT names it. */
  readonly on: string;
  readonly subject: string;
  readonly grants: readonly Grant[];
  readonly relation?: RelationId;
}

/**
 * Accounts cannot be made here, whose passwords are another server's: one that is missing is made locked, so that its grants are in place when
 * it is let in.
 */
function grantStatements(stage: Stage, objects: readonly Grantable[]): readonly StagedStatement[] {
  const byAccount = new Map<string, StagedStatement[]>();
  for (const { on, subject, grants: all, relation } of objects) {
    for (const [grantee, grants] of groupBy(all, (grant) => grant.grantee)) {
      const rights = grants
        .filter((grant) => FOR_APPLICATIONS.has(grant.privilege.toUpperCase()))
        .map((grant) =>
          grant.column === undefined
            ? grant.privilege
            : `${grant.privilege} (${quoteIdentifier(grant.column)})`,
        );
      if (rights.length === 0) continue;
      const list = byAccount.get(grantee) ?? granteeStatements(stage, grantee);
      list.push(
        statement(
          stage,
          `GRANT ${rights.join(', ')} ON ${on} TO ${grantee}`,
          `grants on ${subject}`,
          // A right outlives what it was given on.
          `REVOKE ${rights.join(', ')} ON ${on} FROM ${grantee}`,
          undefined,
          relation,
        ),
      );
      byAccount.set(grantee, list);
    }
  }
  return [...byAccount.values()].flat();
}

const relationGrants = (relation: Relation): Grantable => ({
  on: quoteRelation(relation.id),
  subject: relation.id,
  // A plan of before may count a right to the whole database's routines for each of its relations.
  grants: relation.grants.filter(({ privilege }) => privilege !== 'EXECUTE'),
  relation: relation.id,
});

const routineGrants = (routine: Routine): Grantable => ({
  on: `${routine.kind.toUpperCase()} ${quoteRelation(relationId(routine.schema, routine.name))}`,
  subject: `${routine.kind} ${routine.id}`,
  grants: routine.grants,
});

function granteeStatements(stage: Stage, grantee: string): StagedStatement[] {
  if (grantee === 'PUBLIC') return [];
  // MariaDB's roles have no host.
  const isRole = !grantee.includes("'@'");
  const shown = isRole ? [`${grantee}@''`, `${grantee}@'%'`] : [grantee];
  return [
    statement(
      stage,
      isRole ? `CREATE ROLE IF NOT EXISTS ${grantee}` : `CREATE USER IF NOT EXISTS ${grantee} ACCOUNT LOCK`,
      isRole
        ? `role ${grantee}, which grants name; nobody has it until you give it to the accounts there`
        : `account ${grantee}, which grants name; it cannot log in until you let it`,
      null,
      // IF NOT EXISTS asks for CREATE USER even where there is nothing to create. A role is only seen by what it may do.
      ['user', 'schema', 'table']
        .map(
          (level) =>
            `SELECT 1 FROM information_schema.${level}_privileges WHERE grantee IN (${shown.map((name) => quoteLiteral(name)).join(', ')})`,
        )
        .join(' UNION '),
    ),
  ];
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function statement(
  stage: Stage,
  sql: string,
  purpose: string,
  undo: string | null,
  unless?: string,
  relation?: string,
  settings?: Statement['settings'],
): StagedStatement {
  // Every statement of this dialect commits by itself: a group of several would promise what the server does not keep.
  return {
    stage,
    sql,
    purpose,
    undo,
    group: sql,
    ...(unless !== undefined && { unless }),
    ...(relation !== undefined && { relation }),
    ...(settings !== undefined && { settings }),
  };
}

/** Queries that return a row when the object is there already. */
const isThere = {
  database: (name: string) =>
    `SELECT 1 FROM information_schema.schemata WHERE schema_name = ${quoteLiteral(name)}`,
  table: (table: Relation) =>
    `SELECT 1 FROM information_schema.tables WHERE table_schema = ${quoteLiteral(table.schema)} AND table_name = ${quoteLiteral(table.name)}`,
  index: (table: Relation, name: string) =>
    `SELECT 1 FROM information_schema.statistics WHERE table_schema = ${quoteLiteral(table.schema)}` +
    ` AND table_name = ${quoteLiteral(table.name)} AND index_name = ${quoteLiteral(name)} LIMIT 1`,
  constraint: (table: Relation, name: string) =>
    `SELECT 1 FROM information_schema.table_constraints WHERE table_schema = ${quoteLiteral(table.schema)}` +
    ` AND table_name = ${quoteLiteral(table.name)} AND constraint_name = ${quoteLiteral(name)} LIMIT 1`,
  trigger: (table: Relation, name: string) =>
    `SELECT 1 FROM information_schema.triggers WHERE trigger_schema = ${quoteLiteral(table.schema)} AND trigger_name = ${quoteLiteral(name)}`,
  routine: ({ kind, schema, name }: Routine) =>
    kind === 'event'
      ? `SELECT 1 FROM information_schema.events WHERE event_schema = ${quoteLiteral(schema)} AND event_name = ${quoteLiteral(name)}`
      : `SELECT 1 FROM information_schema.routines WHERE routine_schema = ${quoteLiteral(schema)} AND routine_name = ${quoteLiteral(name)} AND routine_type = '${kind.toUpperCase()}'`,
} as const;

function createTable(table: Relation): StagedStatement {
  const lines = table.columns.map((column) => `  ${columnClause(column)}`);
  const primary = table.indexes.find((index) => index.isPrimary);
  if (primary !== undefined) lines.push(`  ${indexClause(primary)}`);
  // Without a primary key the counter's column still needs an index of its own at once.
  const counter = primary === undefined ? autoIncrementIndex(table) : undefined;
  if (counter !== undefined) lines.push(`  ${indexClause(counter)}`);
  const comment = table.comment === undefined ? '' : ` COMMENT=${quoteLiteral(table.comment)}`;
  const partition = table.partitionBy === undefined ? '' : `\nPARTITION BY ${table.partitionBy}`;
  return statement(
    'base',
    `CREATE TABLE ${quoteRelation(table.id)} (\n${lines.join(',\n')}\n) ${table.options.join(' ')}${comment}${partition}`,
    `table ${table.id}`,
    `DROP TABLE IF EXISTS ${quoteRelation(table.id)}`,
    isThere.table(table),
    table.id,
  );
}

function indexClause(index: Index): string {
  return index.comment === undefined
    ? index.definition
    : `${index.definition} COMMENT ${quoteLiteral(index.comment)}`;
}

function autoIncrementIndex(table: Relation): Index | undefined {
  const counter = table.columns.find((column) => column.autoIncrement === true);
  if (counter === undefined) return undefined;
  return table.indexes.find((index) => index.columns[0] === counter.name);
}

function addIndex(table: Relation, index: Index): readonly StagedStatement[] {
  if (index.isPrimary) return [];
  if (!table.indexes.some((other) => other.isPrimary) && index === autoIncrementIndex(table)) return [];
  return [
    statement(
      index.isUnique ? 'constraint' : 'index',
      `ALTER TABLE ${quoteRelation(table.id)} ADD ${indexClause(index)}`,
      `index ${index.name} of ${table.id}`,
      `ALTER TABLE ${quoteRelation(table.id)} DROP INDEX ${quoteIdentifier(index.name)}`,
      isThere.index(table, index.name),
      table.id,
    ),
  ];
}

/** MariaDB, which enforces all, passes over it. */
const NOT_ENFORCED = ' /*!80016 NOT ENFORCED */';

function addChecks(table: Relation): readonly StagedStatement[] {
  return table.checks.map((check) =>
    statement(
      'constraint',
      `ALTER TABLE ${quoteRelation(table.id)} ADD CONSTRAINT ${quoteIdentifier(check.name)} CHECK (${check.expression})${check.isValidated ? '' : NOT_ENFORCED}`,
      `check ${check.name} of ${table.id}`,
      `ALTER TABLE ${quoteRelation(table.id)} DROP CONSTRAINT ${quoteIdentifier(check.name)}`,
      isThere.constraint(table, check.name),
      table.id,
    ),
  );
}

function addForeignKey(table: Relation, key: ForeignKey): StagedStatement {
  return statement(
    'constraint',
    `ALTER TABLE ${quoteRelation(table.id)} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${key.definition}`,
    `foreign key ${key.name} of ${table.id}`,
    `ALTER TABLE ${quoteRelation(table.id)} DROP FOREIGN KEY ${quoteIdentifier(key.name)}`,
    isThere.constraint(table, key.name),
    table.id,
  );
}

/** A view after the views that it reads. The server refuses cycles, so there are none. */
function createViews(views: readonly Relation[]): readonly StagedStatement[] {
  const byId = new Map(views.map((view) => [view.id, view]));
  const ordered: Relation[] = [];
  const visit = (view: Relation): void => {
    if (ordered.includes(view)) return;
    for (const id of view.reads) {
      const other = byId.get(id);
      if (other !== undefined && other !== view) visit(other);
    }
    ordered.push(view);
  };
  views.forEach(visit);
  return ordered.map((view) =>
    statement(
      'constraint',
      viewStatement(view),
      `view ${view.id}`,
      `DROP VIEW IF EXISTS ${quoteRelation(view.id)}`,
      isThere.table(view),
      view.id,
    ),
  );
}

function viewStatement({ id, options, definition = '' }: Relation): string {
  const security = options.includes(INVOKER) ? `${INVOKER} ` : '';
  const check = options.filter((option) => option !== INVOKER).map((option) => ` ${option}`);
  return `CREATE ${security}VIEW ${quoteRelation(id)} AS ${definition}${check.join('')}`;
}

function createTrigger(table: Relation, trigger: Trigger): StagedStatement {
  return statement(
    'open',
    trigger.definition,
    `trigger ${trigger.name} of ${table.id}`,
    `DROP TRIGGER IF EXISTS ${quoteIdentifier(table.schema)}.${quoteIdentifier(trigger.name)}`,
    isThere.trigger(table, trigger.name),
    table.id,
    trigger.settings,
  );
}
