import { asJson, inScope, notOfExtension } from './scope.js';

export interface SequenceRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly type: string;
  readonly start: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly increment: string;
  readonly cache: string;
  readonly isCycling: boolean;
  readonly lastValue: string | null;
  readonly owner: readonly [string, string, string] | null;
  readonly isIdentity: boolean;
  readonly usedBy: readonly (readonly [string, string, string])[] | null;
  readonly persistence: 'p' | 'u' | 't';
  readonly comment: string | null;
}

/** `$2` (relations) leaves only those that a column of them owns or draws from. */
export const SEQUENCES = asJson(`
  WITH used AS MATERIALIZED (
    SELECT ud.refobjid AS sequence,
           json_agg(json_build_array(un.nspname, uc.relname, ua.attname) ORDER BY un.nspname, uc.relname, ua.attnum) AS columns,
           array_agg(uc.oid) AS relations
      FROM pg_depend AS ud JOIN pg_class AS sc ON sc.oid = ud.refobjid AND sc.relkind = 'S'
      JOIN pg_attrdef AS ad ON ad.oid = ud.objid
      JOIN pg_class AS uc ON uc.oid = ad.adrelid JOIN pg_namespace AS un ON un.oid = uc.relnamespace
      JOIN pg_attribute AS ua ON ua.attrelid = ad.adrelid AND ua.attnum = ad.adnum
     WHERE ud.classid = 'pg_attrdef'::regclass AND ud.refclassid = 'pg_class'::regclass
     GROUP BY ud.refobjid)
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, format_type(s.seqtypid, NULL) AS type,
         s.seqstart::text AS start, s.seqmin::text AS minimum, s.seqmax::text AS maximum,
         s.seqincrement::text AS increment, s.seqcache::text AS cache, s.seqcycle AS "isCycling",
         CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE') THEN pg_sequence_last_value(c.oid)::text END AS "lastValue",
         CASE WHEN oc.oid IS NOT NULL THEN json_build_array(onn.nspname, oc.relname, oa.attname) END AS owner,
         coalesce(own.deptype = 'i', false) AS "isIdentity", u.columns AS "usedBy",
         c.relpersistence AS persistence, d.description AS comment
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace AND ${inScope('n')}
    JOIN pg_sequence AS s ON s.seqrelid = c.oid
    LEFT JOIN pg_depend AS own ON own.classid = 'pg_class'::regclass AND own.objid = c.oid AND own.objsubid = 0
      AND own.refclassid = 'pg_class'::regclass AND own.deptype IN ('a', 'i') AND own.refobjsubid > 0
    LEFT JOIN pg_class AS oc ON oc.oid = own.refobjid
    LEFT JOIN pg_namespace AS onn ON onn.oid = oc.relnamespace
    LEFT JOIN pg_attribute AS oa ON oa.attrelid = own.refobjid AND oa.attnum = own.refobjsubid
    LEFT JOIN used AS u ON u.sequence = c.oid
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
   WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND ${notOfExtension('pg_class', 'c.oid')}
     AND ($2::oid[] IS NULL OR oc.oid = ANY ($2::oid[]) OR u.relations && $2::oid[])
   ORDER BY n.nspname, c.relname`);
