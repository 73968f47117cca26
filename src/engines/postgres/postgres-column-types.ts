/** What a comparison must know of a relation's columns: their base types, what is not sent, and how the key is ordered. */
import type pg from 'pg';
import type { RelationId } from '../../model/relation-id.js';
import type { ColumnType } from './postgres-column-hash.js';
import { quoteRelation } from './postgres-sql.js';

export interface DescribedColumn extends ColumnType {
  readonly name: string;
  readonly isDomain: boolean;
  readonly isGenerated: boolean;
  /** How values of this column are ordered, in words that are the same on another server exactly when the order is. */
  readonly order: string;
}

interface Row {
  name: string;
  built_in: string | null;
  has_modifier: string;
  is_domain: string;
  is_generated: string;
  order: string;
}

/**
 * Collations of the same name may sort differently from one version of their library to the next: provider, locale and version together say
 * which order it is. An enum sorts in the order of its labels.
 */
const SQL = `
WITH RECURSIVE base (attnum, type, modifier, is_domain) AS (
  SELECT attnum, atttypid, atttypmod, false FROM pg_attribute
   WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, typbasetype, typtypmod, true FROM base JOIN pg_type t ON t.oid = base.type WHERE t.typtype = 'd'
), database AS (
  SELECT to_jsonb(d) AS j FROM pg_database d WHERE datname = current_database()
), resolved AS (
  SELECT base.*, t.typname, t.typtype, t.typnamespace FROM base JOIN pg_type t ON t.oid = base.type WHERE t.typtype <> 'd'
)
SELECT a.attname AS name,
       CASE WHEN r.typtype = 'b' AND r.typnamespace = 'pg_catalog'::regnamespace THEN r.typname END AS built_in,
       r.modifier <> -1 AS has_modifier,
       r.is_domain,
       a.attgenerated <> '' AS is_generated,
       CASE
         WHEN r.typtype = 'e' THEN 'enum ' || (SELECT string_agg(enumlabel, chr(31) ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = r.type)
         WHEN a.attcollation = 0 THEN 'value'
         ELSE coalesce(
           CASE WHEN locale.name IN ('C', 'POSIX') THEN 'value' END,
           concat_ws(' ', locale.provider, locale.name, locale.version))
       END AS "order"
  FROM pg_attribute a
  JOIN resolved r ON r.attnum = a.attnum
  CROSS JOIN database d
  LEFT JOIN pg_collation c ON c.oid = a.attcollation
  CROSS JOIN LATERAL (SELECT to_jsonb(c) AS j) k
  CROSS JOIN LATERAL (
    SELECT CASE WHEN c.collprovider = 'd' THEN coalesce(d.j ->> 'datlocprovider', 'c') ELSE c.collprovider::text END AS provider,
           CASE WHEN c.collprovider = 'd' THEN coalesce(d.j ->> 'datlocale', d.j ->> 'daticulocale', d.j ->> 'datcollate')
                ELSE coalesce(k.j ->> 'colllocale', k.j ->> 'colliculocale', k.j ->> 'collcollate') END AS name,
           CASE WHEN c.collprovider = 'd' THEN d.j ->> 'datcollversion' ELSE pg_collation_actual_version(c.oid) END AS version
  ) locale
 WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum`;

export async function describeColumns(
  client: Pick<pg.ClientBase, 'query'>,
  relation: RelationId,
): Promise<readonly DescribedColumn[]> {
  const { rows } = await client.query<Row>(SQL, [quoteRelation(relation)]);
  return rows.map((row) => ({
    name: row.name,
    builtIn: row.built_in,
    hasModifier: row.has_modifier === 't',
    isDomain: row.is_domain === 't',
    isGenerated: row.is_generated === 't',
    order: row.order,
  }));
}
