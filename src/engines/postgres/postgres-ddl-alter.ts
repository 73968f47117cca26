/**
 * The additive difference between two shapes of the same relations as statements: what `migrate resume --apply-ddl` runs on the
 * other side. What is not additive has no statement here: such a relation is copied again.
 */
import type { Column, DatabaseSchema } from '../../model/database-schema.js';
import { relationId } from '../../model/relation-id.js';
import type { Statement } from '../engine.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

const q = quoteIdentifier;

const addedColumn = (column: Column): string =>
  `${q(column.name)} ${column.type}` +
  (column.collation === undefined ? '' : ` COLLATE ${column.collation}`) +
  (column.default === undefined ? '' : ` DEFAULT ${column.default}`) +
  (column.isNullable ? '' : ' NOT NULL');

export function alterSchema(from: DatabaseSchema, to: DatabaseSchema): readonly Statement[] {
  const statements: Statement[] = [];
  const add = (group: string, purpose: string, sql: string, undo: string | null, unless?: string) =>
    statements.push({ sql, purpose, undo, group, ...(unless !== undefined && { unless }) });

  const types = new Map(from.types.map((type) => [relationId(type.schema, type.name), type]));
  for (const type of to.types) {
    const id = relationId(type.schema, type.name);
    const was = types.get(id);
    if (type.kind !== 'enum' || was?.kind !== 'enum') continue;
    type.labels.forEach((label, i) => {
      if (was.labels.includes(label)) return;
      const before = type.labels.slice(0, i).at(-1);
      const where = before === undefined ? '' : ` AFTER ${quoteLiteral(before).trim()}`;
      add(
        `enum:${id}:${label}`,
        `${id} gets '${label}'`,
        `ALTER TYPE ${quoteRelation(id)} ADD VALUE IF NOT EXISTS ${quoteLiteral(label).trim()}${where}`,
        null,
      );
    });
  }

  const relations = new Map(from.relations.map((relation) => [relation.id, relation]));
  for (const relation of to.relations) {
    const was = relations.get(relation.id);
    if (was === undefined || relation.kind === 'view' || relation.kind === 'materialized-view') continue;
    const name = quoteRelation(relation.id);
    const old = new Map(was.columns.map((column) => [column.name, column]));
    for (const column of relation.columns) {
      const before = old.get(column.name);
      const alter = `ALTER TABLE ${name} ALTER COLUMN ${q(column.name)}`;
      const group = `column:${relation.id}.${column.name}`;
      if (before === undefined) {
        // What came from a parent comes to the child on the other side with its parent too.
        if (column.isInherited || column.generated !== undefined || column.identity !== undefined) continue;
        add(
          group,
          `${relation.id} gets column ${column.name}`,
          `ALTER TABLE ${name} ADD COLUMN IF NOT EXISTS ${addedColumn(column)}`,
          `ALTER TABLE ${name} DROP COLUMN IF EXISTS ${q(column.name)}`,
        );
        continue;
      }
      if (before.isNullable !== column.isNullable)
        add(
          group,
          `${relation.id}.${column.name} ${column.isNullable ? 'may be null' : 'is never null'}`,
          `${alter} ${column.isNullable ? 'DROP' : 'SET'} NOT NULL`,
          `${alter} ${column.isNullable ? 'SET' : 'DROP'} NOT NULL`,
        );
      if (before.default !== column.default && column.generated === undefined && !column.isInherited)
        add(
          group,
          `default of ${relation.id}.${column.name}`,
          column.default === undefined ? `${alter} DROP DEFAULT` : `${alter} SET DEFAULT ${column.default}`,
          before.default === undefined ? `${alter} DROP DEFAULT` : `${alter} SET DEFAULT ${before.default}`,
        );
    }
  }
  return statements;
}
