/**
 * A service's schema as MySQL statements, in load order and by stage. The auto-increment column and every other column of the primary key must
 * be indexed from the start, so the primary key belongs to the bare table; everything else can come later.
 */
import type { Column, ForeignKey, Index, Relation, Trigger } from '../../model/database-schema.js';
import type { ServicePlan } from '../../model/plan.js';
import type { Stage, StagedStatement } from '../engine.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './mysql-sql.js';

export function createMysqlService(plan: ServicePlan): readonly StagedStatement[] {
  const statements: StagedStatement[] = [];
  const tables = plan.schema.relations.filter((r) => r.kind === 'table' || r.kind === 'partitioned');
  for (const schema of [...new Set(plan.schema.relations.map((r) => r.schema))].sort()) {
    statements.push(
      statement(
        'base',
        `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(schema)}`,
        `database ${schema}`,
        null,
      ),
    );
  }
  for (const table of tables) statements.push(createTable(table));
  for (const table of tables) for (const index of table.indexes) statements.push(...addIndex(table, index));
  for (const table of tables) statements.push(...addChecks(table));
  for (const table of tables) for (const key of table.foreignKeys) statements.push(addForeignKey(table, key));
  statements.push(...createViews(plan.schema.relations.filter((r) => r.kind === 'view')));
  for (const routine of plan.schema.routines) {
    statements.push(
      statement(
        'open',
        routine.definition,
        `${routine.kind} ${routine.id}`,
        `DROP ${routine.kind.toUpperCase()} ${quoteRelation(routine.id)}`,
      ),
    );
  }
  for (const table of tables)
    for (const trigger of table.triggers) statements.push(createTrigger(table, trigger));
  return statements;
}

function statement(
  stage: Stage,
  sql: string,
  purpose: string,
  undo: string | null,
  relation?: string,
): StagedStatement {
  // Every statement of this dialect commits by itself: a group of several would promise what the server does not keep.
  return { stage, sql, purpose, undo, group: sql, ...(relation !== undefined && { relation }) };
}

function createTable(table: Relation): StagedStatement {
  const lines = table.columns.map((column) => `  ${columnClause(column)}`);
  const primary = table.indexes.find((index) => index.isPrimary);
  if (primary !== undefined) lines.push(`  ${primary.definition}`);
  // Without a primary key the counter's column still needs an index of its own at once.
  const counter = primary === undefined ? autoIncrementIndex(table) : undefined;
  if (counter !== undefined) lines.push(`  ${counter.definition}`);
  const comment = table.comment === undefined ? '' : ` COMMENT=${quoteLiteral(table.comment)}`;
  const partition = table.partitionBy === undefined ? '' : `\nPARTITION BY ${table.partitionBy}`;
  return statement(
    'base',
    `CREATE TABLE ${quoteRelation(table.id)} (\n${lines.join(',\n')}\n) ${table.options.join(' ')}${comment}${partition}`,
    `table ${table.id}`,
    `DROP TABLE ${quoteRelation(table.id)}`,
    table.id,
  );
}

export function columnClause(column: Column): string {
  const parts = [quoteIdentifier(column.name), column.type];
  if (column.characterSet !== undefined) parts.push(`CHARACTER SET ${column.characterSet}`);
  if (column.collation !== undefined) parts.push(`COLLATE ${column.collation}`);
  if (column.generated !== undefined) {
    parts.push(
      `GENERATED ALWAYS AS (${column.generated.expression}) ${column.generated.stored ? 'STORED' : 'VIRTUAL'}`,
    );
  } else {
    // timestamp columns are NOT NULL with a default of their own unless told otherwise.
    parts.push(column.isNullable ? 'NULL' : 'NOT NULL');
    if (column.default !== undefined) parts.push(`DEFAULT ${column.default}`);
    if (column.onUpdate !== undefined) parts.push(`ON UPDATE ${column.onUpdate}`);
    if (column.autoIncrement === true) parts.push('AUTO_INCREMENT');
  }
  if (column.invisible === true) parts.push('INVISIBLE');
  if (column.comment !== undefined) parts.push(`COMMENT ${quoteLiteral(column.comment)}`);
  return parts.join(' ');
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
      `ALTER TABLE ${quoteRelation(table.id)} ADD ${index.definition}`,
      `index ${index.name} of ${table.id}`,
      `ALTER TABLE ${quoteRelation(table.id)} DROP INDEX ${quoteIdentifier(index.name)}`,
      table.id,
    ),
  ];
}

function addChecks(table: Relation): readonly StagedStatement[] {
  return table.checks.map((check) =>
    statement(
      'constraint',
      `ALTER TABLE ${quoteRelation(table.id)} ADD CONSTRAINT ${quoteIdentifier(check.name)} CHECK (${check.expression})`,
      `check ${check.name} of ${table.id}`,
      `ALTER TABLE ${quoteRelation(table.id)} DROP CONSTRAINT ${quoteIdentifier(check.name)}`,
      table.id,
    ),
  );
}

function addForeignKey(table: Relation, key: ForeignKey): StagedStatement {
  return statement(
    'open',
    `ALTER TABLE ${quoteRelation(table.id)} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${key.definition}`,
    `foreign key ${key.name} of ${table.id}`,
    `ALTER TABLE ${quoteRelation(table.id)} DROP FOREIGN KEY ${quoteIdentifier(key.name)}`,
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
      'open',
      `CREATE VIEW ${quoteRelation(view.id)} AS ${view.definition ?? ''}`,
      `view ${view.id}`,
      `DROP VIEW ${quoteRelation(view.id)}`,
      view.id,
    ),
  );
}

function createTrigger(table: Relation, trigger: Trigger): StagedStatement {
  return statement(
    'open',
    trigger.definition,
    `trigger ${trigger.name} of ${table.id}`,
    `DROP TRIGGER ${quoteIdentifier(table.schema)}.${quoteIdentifier(trigger.name)}`,
    table.id,
  );
}
