import { asJson, inScope, notOfExtension, rowTypeOf } from './scope.js';

export interface TypeRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'e' | 'd' | 'c' | 'r' | 'b' | 'p';
  readonly comment: string | null;
  readonly labels: readonly string[] | null;
  /** Domains: the type below, as SQL, and its family (bottom of a chain of domains). */
  readonly baseType: string | null;
  readonly baseName: string | null;
  readonly isNotNull: boolean;
  readonly default: string | null;
  readonly collation: string | null;
  readonly checks: readonly { readonly name: string; readonly expression: string }[] | null;
  readonly attributes: readonly { readonly name: string; readonly type: string }[] | null;
  readonly subtype: string | null;
  /** Ranges: options beyond the subtype that this reader does not carry. */
  readonly rangeExtras: boolean | null;
  readonly hasGrants: boolean;
  /** Relations whose row type a domain stands on, or an attribute has. */
  readonly rowTypes: readonly (readonly [string, string])[] | null;
}

/** Row types of relations, arrays and the multiranges that come with a range are not types of their own. Ignores $2. */
export const TYPES = asJson(`
  SELECT t.oid::text AS oid, n.nspname AS schema, t.typname AS name, t.typtype AS kind, d.description AS comment,
         CASE WHEN t.typtype = 'e' THEN
           (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid) END AS labels,
         CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS "baseType",
         CASE WHEN t.typtype = 'd' THEN
           (WITH RECURSIVE chain AS (
              SELECT b.typname, b.typbasetype, b.typtype FROM pg_type AS b WHERE b.oid = t.typbasetype
              UNION ALL
              SELECT b.typname, b.typbasetype, b.typtype FROM chain JOIN pg_type AS b ON b.oid = chain.typbasetype
               WHERE chain.typtype = 'd')
            SELECT CASE typtype WHEN 'e' THEN 'enum' WHEN 'c' THEN 'composite' ELSE typname END
              FROM chain WHERE typtype <> 'd') END AS "baseName",
         t.typnotnull AS "isNotNull", t.typdefault AS default,
         CASE WHEN t.typtype = 'd' AND t.typcollation <> 0
               AND t.typcollation <> (SELECT b.typcollation FROM pg_type AS b WHERE b.oid = t.typbasetype)
              THEN (SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                      FROM pg_collation AS co JOIN pg_namespace AS cn ON cn.oid = co.collnamespace
                     WHERE co.oid = t.typcollation) END AS collation,
         CASE WHEN t.typtype = 'd' THEN
           (SELECT json_agg(json_build_object('name', con.conname, 'expression', pg_get_expr(con.conbin, 0))
                            ORDER BY con.conname)
              FROM pg_constraint AS con WHERE con.contypid = t.oid AND con.contype = 'c') END AS checks,
         CASE WHEN t.typtype = 'c' THEN
           (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)
                              || CASE WHEN a.attcollation <> 0 AND a.attcollation <> at.typcollation
                                      THEN (SELECT ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                                              FROM pg_collation AS co JOIN pg_namespace AS cn ON cn.oid = co.collnamespace
                                             WHERE co.oid = a.attcollation) ELSE '' END)
                            ORDER BY a.attnum)
              FROM pg_attribute AS a JOIN pg_type AS at ON at.oid = a.atttypid
             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END AS attributes,
         CASE WHEN t.typtype = 'r' THEN format_type(r.rngsubtype, NULL) END AS subtype,
         CASE WHEN t.typtype = 'r' THEN r.rngcanonical <> 0 OR r.rngsubdiff <> 0
           OR NOT EXISTS (SELECT FROM pg_opclass AS oc WHERE oc.oid = r.rngsubopc AND oc.opcdefault)
           OR r.rngcollation <> (SELECT st.typcollation FROM pg_type AS st WHERE st.oid = r.rngsubtype) END AS "rangeExtras",
         t.typacl IS NOT NULL AS "hasGrants",
         CASE WHEN t.typtype IN ('d', 'c') THEN
           (SELECT json_agg(DISTINCT used.row::jsonb) FROM (
              SELECT ${rowTypeOf('coalesce(ue.typrelid, ut.typrelid)')} AS row FROM pg_type AS ut
                LEFT JOIN pg_type AS ue ON ue.oid = ut.typelem AND ut.typcategory = 'A'
               WHERE ut.oid = t.typbasetype
                  OR ut.oid IN (SELECT a.atttypid FROM pg_attribute AS a
                                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)) AS used
             WHERE used.row IS NOT NULL) END AS "rowTypes"
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace AND ${inScope('n')}
    LEFT JOIN pg_class AS c ON c.oid = t.typrelid
    LEFT JOIN pg_range AS r ON r.rngtypid = t.oid
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_type'::regclass AND d.objoid = t.oid
   WHERE t.typtype IN ('e', 'd', 'c', 'r', 'b', 'p') AND (t.typtype <> 'c' OR c.relkind = 'c')
     AND NOT (t.typtype = 'b' AND t.typcategory = 'A') AND ${notOfExtension('pg_type', 't.oid')}
     AND $2::oid[] IS NOT DISTINCT FROM $2::oid[]
   ORDER BY n.nspname, t.typname`);
