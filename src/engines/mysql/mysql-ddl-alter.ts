/**
 * The additive difference between two shapes of the same relations as statements: what `migrate resume --apply-ddl` runs on the
 * other side. What is not additive has no statement here: such a relation is copied again.
 */
import type { Column, DatabaseSchema } from '../../model/database-schema.js';
import { isLongerLabelList } from '../../model/label-list.js';
import type { Statement } from '../engine.js';
import { columnClause } from './mysql-column-clause.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './mysql-sql.js';

export function alterMysqlSchema(from: DatabaseSchema, to: DatabaseSchema): readonly Statement[] {
  const statements: Statement[] = [];
  const relations = new Map(from.relations.map((relation) => [relation.id, relation]));
  for (const relation of to.relations) {
    const was = relations.get(relation.id);
    if (was === undefined || relation.kind !== 'table') continue;
    const alter = `ALTER TABLE ${quoteRelation(relation.id)}`;
    const old = new Map(was.columns.map((column) => [column.name, column]));
    const modify = (column: Column) => `${alter} MODIFY COLUMN ${columnClause(column)}`;
    for (const column of relation.columns) {
      const before = old.get(column.name);
      const subject = `${relation.id}.${column.name}`;
      if (before === undefined) {
        if (column.generated !== undefined || column.autoIncrement === true) continue;
        const sql = `${alter} ADD COLUMN ${columnClause(column)}`;
        statements.push({
          sql,
          purpose: `${relation.id} gets column ${column.name}`,
          undo: `${alter} DROP COLUMN ${quoteIdentifier(column.name)}`,
          group: sql,
          unless:
            `SELECT 1 FROM information_schema.columns WHERE table_schema = ${quoteLiteral(relation.schema)}` +
            ` AND table_name = ${quoteLiteral(relation.name)} AND column_name = ${quoteLiteral(column.name)}`,
        });
        continue;
      }
      const isAdditive =
        before.isNullable !== column.isNullable ||
        before.default !== column.default ||
        isLongerLabelList(before.type, column.type);
      if (
        !isAdditive ||
        column.generated !== undefined ||
        (before.type !== column.type && !isLongerLabelList(before.type, column.type))
      )
        continue;
      statements.push({
        sql: modify(column),
        purpose: `shape of ${subject}`,
        undo: modify(before),
        group: modify(column),
      });
    }
  }
  return statements;
}
