/** Writing PostgreSQL: the one place that quotes. Values are parameters; literals are for DDL, which takes none. */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Standard-conforming literal; E'' when a backslash occurs, so that it is right under either setting. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return text.includes('\\') ? ` E${quoted}` : quoted;
}

export function quoteRelation(id: RelationId): string {
  const { schema, name } = parseRelationId(id);
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
