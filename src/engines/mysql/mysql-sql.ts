/** Writing MySQL: the one place that quotes. Values are parameters. */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';

export function quoteIdentifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

export function quoteRelation(id: RelationId): string {
  const { schema, name } = parseRelationId(id);
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** A string literal that is right whether or not NO_BACKSLASH_ESCAPES is set: only quotes are doubled, others go by CHAR(). */
export function quoteLiteral(text: string): string {
  if (!text.includes('\\')) return `'${text.replaceAll("'", "''")}'`;
  return `CONVERT(X'${Buffer.from(text, 'utf8').toString('hex')}' USING utf8mb4)`;
}
