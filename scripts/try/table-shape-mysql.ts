/** The same as table-shape.ts reads from PostgreSQL, from the catalogue of MySQL and MariaDB. */
import type { ShopConnection, TextRow } from '../../src/demo/shop-connection.js';
import type { ColumnShape, TableShape } from './table-shape.js';

const CATEGORIES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'].map((t) => [t, 'S']),
  ),
  ...Object.fromEntries(
    ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double'].map((t) => [t, 'N']),
  ),
  ...Object.fromEntries(['date', 'datetime', 'timestamp'].map((t) => [t, 'D'])),
};

export async function readMysqlShapes({ query }: ShopConnection): Promise<readonly TableShape[]> {
  const here = 'table_schema = DATABASE()';
  const tables = await query(
    `SELECT table_name AS name FROM information_schema.tables WHERE ${here} AND table_type = 'BASE TABLE' ORDER BY table_name`,
  );
  const columns = await query(
    `SELECT c.*, (SELECT group_concat(k.check_clause) FROM information_schema.check_constraints k
                   WHERE k.constraint_schema = c.table_schema AND k.table_name = c.table_name) AS checks
       FROM information_schema.columns c WHERE ${here} ORDER BY table_name, ordinal_position`,
  );
  const keys = await query(
    `SELECT table_name, index_name, column_name FROM information_schema.statistics
      WHERE ${here} AND non_unique = 0 ORDER BY table_name, index_name, seq_in_index`,
  );
  const references = await query(
    `SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
       FROM information_schema.key_column_usage
      WHERE ${here} AND referenced_table_name IS NOT NULL ORDER BY table_name, constraint_name, ordinal_position`,
  );
  return tables.map(({ name }): TableShape => {
    const of = (rows: readonly TextRow[]) => rows.filter((row) => at(row, 'table_name') === name);
    const unique = groups(of(keys), 'index_name');
    return {
      name: name as string,
      key: (unique.get('PRIMARY') ?? []).map((row) => at(row, 'column_name')),
      columns: of(columns).map(columnShape),
      uniques: [...unique]
        .filter(([index]) => index !== 'PRIMARY')
        .map(([, rows]) => rows.map((row) => at(row, 'column_name'))),
      references: [...groups(of(references), 'constraint_name').values()].map((rows) => ({
        columns: rows.map((row) => at(row, 'column_name')),
        parent: at(rows[0] as TextRow, 'referenced_table_name'),
        parentColumns: rows.map((row) => at(row, 'referenced_column_name')),
      })),
      hasInsertRule: false,
      inherits: null,
    };
  });
}

/** MySQL names these columns in capitals, MariaDB as they were asked for. */
const at = (row: TextRow, name: string): string => row[name] ?? row[name.toUpperCase()] ?? '';

function columnShape(row: TextRow): ColumnShape {
  const name = at(row, 'column_name');
  const type = at(row, 'data_type');
  const extra = at(row, 'extra').toLowerCase();
  const length = at(row, 'character_maximum_length');
  return {
    name,
    type: at(row, 'column_type'),
    category: CATEGORIES[type] ?? 'U',
    maxLength: length === '' ? null : Number(length),
    hasDefault:
      extra.includes('auto_increment') || (row['COLUMN_DEFAULT'] ?? row['column_default'] ?? null) !== null,
    isGenerated: /\bgenerated\b/.test(extra) && !extra.includes('default_generated'),
    isRestricted: at(row, 'checks').includes(`\`${name}\``),
  };
}

function groups(rows: readonly TextRow[], by: string): ReadonlyMap<string, readonly TextRow[]> {
  const found = new Map<string, TextRow[]>();
  for (const row of rows) found.set(at(row, by), [...(found.get(at(row, by)) ?? []), row]);
  return found;
}
