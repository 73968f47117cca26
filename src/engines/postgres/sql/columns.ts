import { ALL_KINDS, asJson, rowTypeOf, userRelations } from './scope.js';

export interface ColumnRow {
  readonly relation: string;
  readonly name: string;
  /** attnum: what indexes and constraints call it. */
  readonly number: number;
  readonly position: number;
  readonly type: string;
  readonly typeOid: string;
  readonly typeName: string;
  readonly isArray: boolean;
  readonly rowType: readonly [string, string] | null;
  readonly notNull: boolean;
  readonly default: string | null;
  readonly identity: 'a' | 'd' | '';
  readonly generated: 's' | 'v' | '';
  readonly collation: string | null;
  readonly comment: string | null;
  readonly isLocal: boolean;
  readonly storage: string | null;
  readonly compression: string | null;
  readonly statistics: number | null;
  readonly options: readonly string[] | null;
}

/** `typeOid` and `typeName` are the element's for an array. */
export const COLUMNS = asJson(`
  SELECT a.attrelid::text AS relation, a.attname AS name, a.attnum AS number,
         row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS position,
         format_type(a.atttypid, a.atttypmod) AS type,
         coalesce(e.oid, t.oid)::text AS "typeOid", coalesce(e.typname, t.typname) AS "typeName",
         e.oid IS NOT NULL AS "isArray", ${rowTypeOf('coalesce(e.typrelid, t.typrelid)')} AS "rowType",
         a.attnotnull AS "notNull",
         pg_get_expr(ad.adbin, ad.adrelid) AS default, a.attidentity AS identity, a.attgenerated AS generated,
         CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
              THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                      FROM pg_collation AS co JOIN pg_namespace AS cn ON cn.oid = co.collnamespace
                     WHERE co.oid = a.attcollation) END AS collation,
         d.description AS comment, a.attislocal AS "isLocal",
         CASE WHEN a.attstorage <> t.typstorage AND c.relkind IN ('r', 'p', 'm') THEN
           CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
         END AS storage,
         CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
         nullif(coalesce(a.attstattarget, -1), -1) AS statistics, a.attoptions AS options
    FROM ${userRelations(ALL_KINDS)}
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
    LEFT JOIN pg_attrdef AS ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
    LEFT JOIN pg_description AS d
      ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
   ORDER BY a.attrelid, a.attnum`);
