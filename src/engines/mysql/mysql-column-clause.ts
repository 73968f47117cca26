/** One column as CREATE TABLE and ALTER TABLE write it. */
import type { Column } from '../../model/database-schema.js';
import { quoteIdentifier, quoteLiteral } from './mysql-sql.js';

export function columnClause(column: Column): string {
  const parts = [quoteIdentifier(column.name), column.type];
  // MariaDB, which binds values and not columns, passes over it.
  if (column.srid !== undefined) parts.push(`/*!80003 SRID ${column.srid} */`);
  if (column.characterSet !== undefined) parts.push(`CHARACTER SET ${column.characterSet}`);
  if (column.collation !== undefined) parts.push(`COLLATE ${column.collation}`);
  if (column.generated !== undefined) {
    parts.push(
      `GENERATED ALWAYS AS (${column.generated.expression}) ${column.generated.stored ? 'STORED' : 'VIRTUAL'}`,
    );
  } else {
    // timestamp columns are NOT NULL with a default of their own unless told otherwise.
    parts.push(column.isNullable ? 'NULL' : 'NOT NULL');
    if (column.default !== undefined) parts.push(`DEFAULT ${defaultClause(column.default, column.baseType)}`);
    if (column.onUpdate !== undefined) parts.push(`ON UPDATE ${column.onUpdate}`);
    if (column.autoIncrement === true) parts.push('AUTO_INCREMENT');
  }
  if (column.invisible === true) parts.push('INVISIBLE');
  if (column.comment !== undefined) parts.push(`COMMENT ${quoteLiteral(column.comment)}`);
  return parts.join(' ');
}

const LITERAL =
  /^(?:[+-]?[\d.]+(?:e[+-]?\d+)?|0x[\da-f]+|(?:[bxn]|_\w+ ?)?'(?:[^'\\]|\\.|'')*'|null|true|false)$/i;
const NOW = /^(?:current_timestamp|now|localtime|localtimestamp)(?:\(\d*\))?$/i;

/** Types that on MySQL have no default but an expression. */
const NO_LITERAL =
  /text$|blob$|^(?:json|geometry|geomcollection|geometrycollection|(?:multi)?(?:point|linestring|polygon))$/;

/** MySQL takes an expression in parentheses only, which MariaDB does not mind; a literal and the current time stand as they are. */
function defaultClause(value: string, baseType: string): string {
  const isBare = NOW.test(value) || (LITERAL.test(value) && !NO_LITERAL.test(baseType));
  return isBare ? value : `(${value})`;
}
