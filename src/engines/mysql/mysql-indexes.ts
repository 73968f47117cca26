/** Indexes of a table that can find rows by whole columns, as the catalogue has them. */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import type { MysqlQueryable } from './mysql-connection.js';

export interface TableIndex {
  readonly name: string;
  readonly isUnique: boolean;
  /** In order, in lower case; null for an expression. */
  readonly columns: readonly (string | null)[];
  /** A part of a column's value only. */
  readonly hasPrefix: boolean;
}

/** The primary key first, unique ones before others. */
export async function readTableIndexes(
  session: MysqlQueryable,
  relation: RelationId,
): Promise<readonly TableIndex[]> {
  const { schema, name } = parseRelationId(relation);
  const rows = await session.query({
    sql: `SELECT index_name AS name, non_unique, column_name, sub_part FROM information_schema.statistics
           WHERE table_schema = ? AND table_name = ? AND index_type IN ('BTREE', 'HASH') ORDER BY index_name, seq_in_index`,
    values: [schema, name],
  });
  const found = new Map<string, { isUnique: boolean; columns: (string | null)[]; hasPrefix: boolean }>();
  for (const row of rows) {
    const index = row['name'] ?? '';
    const parts = found.get(index) ?? { isUnique: row['non_unique'] === '0', columns: [], hasPrefix: false };
    found.set(index, parts);
    parts.columns.push(row['column_name']?.toLowerCase() ?? null);
    if (row['sub_part'] != null) parts.hasPrefix = true;
  }
  const rank = ({ name: of, isUnique }: TableIndex) => (of === 'PRIMARY' ? 0 : isUnique ? 1 : 2);
  return [...found]
    .map(([index, parts]): TableIndex => ({ name: index, ...parts }))
    .sort((a, b) => rank(a) - rank(b));
}
