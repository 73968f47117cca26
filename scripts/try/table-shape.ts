/** What has to be known of a table to write to it: read from the catalogue, so that the traffic needs to know no schema. */
import type { ShopConnection } from '../../src/demo/shop-connection.js';
import { readMysqlShapes } from './table-shape-mysql.js';

export interface TableShape {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly ColumnShape[];
  readonly uniques: readonly (readonly string[])[];
  readonly references: readonly {
    readonly columns: readonly string[];
    readonly parent: string;
    readonly parentColumns: readonly string[];
  }[];
  /** Rows may land in its children instead. */
  readonly hasInsertRule: boolean;
  /** Its parent by inheritance. */
  readonly inherits: string | null;
}

export interface ColumnShape {
  readonly name: string;
  readonly type: string;
  /** pg_type.typcategory: S string, N number, D date and time. */
  readonly category: string;
  readonly maxLength: number | null;
  readonly hasDefault: boolean;
  readonly isGenerated: boolean;
  /** An enum, a domain, or named in a check. */
  readonly isRestricted: boolean;
}

const SHAPES = `
SELECT c.relname AS name,
  (SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent WHERE h.inhrelid = c.oid LIMIT 1) AS inherits,
  EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type = '3') AS has_insert_rule,
  (SELECT json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'category', t.typcategory,
      'maxLength', CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4 END,
      'hasDefault', a.atthasdef AND a.attgenerated = '' OR a.attidentity <> '',
      'isGenerated', a.attgenerated <> '',
      'isRestricted', t.typtype IN ('d', 'e') OR EXISTS (
         SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey))
    ) ORDER BY a.attnum)
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT json_agg(json_build_object('isPrimary', i.indisprimary, 'columns',
      (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum)))
     FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique) AS uniques,
  (SELECT json_agg(json_build_object('parent', p.relname, 'columns',
      (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(f.conkey) WITH ORDINALITY k(attnum, n)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum), 'parentColumns',
      (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(f.confkey) WITH ORDINALITY k(attnum, n)
         JOIN pg_attribute a ON a.attrelid = p.oid AND a.attnum = k.attnum)))
     FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid WHERE f.conrelid = c.oid AND f.contype = 'f') AS refs
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname`;

interface Shape {
  readonly columns: ColumnShape[] | null;
  readonly uniques: { isPrimary: boolean; columns: string[] }[] | null;
  readonly refs: { parent: string; columns: string[]; parentColumns: string[] }[] | null;
}

export async function readShapes(connection: ShopConnection): Promise<readonly TableShape[]> {
  if (connection.engine === 'mysql') return readMysqlShapes(connection);
  const rows = await connection.query(SHAPES);
  return rows.map((row) => {
    const parsed = <K extends keyof Shape>(name: K) => JSON.parse(row[name] ?? 'null') as Shape[K];
    const columns = parsed('columns');
    const uniques = parsed('uniques');
    const refs = parsed('refs');
    return {
      name: row['name'] ?? '',
      key: uniques?.find((unique) => unique.isPrimary)?.columns ?? [],
      columns: columns ?? [],
      uniques: (uniques ?? []).filter((unique) => !unique.isPrimary).map((unique) => unique.columns),
      references: refs ?? [],
      hasInsertRule: row['has_insert_rule'] === 't',
      inherits: row['inherits'] ?? null,
    };
  });
}
