/** One column as CREATE TABLE and ALTER TABLE write it. */
import type { Column } from '../../model/database-schema.js';
import { quoteIdentifier, quoteLiteral } from './mysql-sql.js';

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
