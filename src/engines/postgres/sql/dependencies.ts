/** What views read and call, from the server's own dependencies, and which extensions are in use. */
import { asJson, inScope, referredRelation, userRelations } from './scope.js';

export interface ViewDependencyRow {
  readonly relation: string;
  readonly schema: string;
  readonly name: string;
  readonly isRoutine: boolean;
}

export const VIEW_DEPENDENCIES = asJson(`
  SELECT DISTINCT c.oid::text AS relation, coalesce(rn.nspname, pn.nspname) AS schema,
         coalesce(rc.relname, rp.proname) AS name, rp.oid IS NOT NULL AS "isRoutine"
    FROM ${userRelations(`'v', 'm'`)}
    JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.deptype = 'n'
     AND d.refobjid <> c.oid
    ${referredRelation('d', 'LEFT JOIN')} AND rc.oid <> c.oid
    LEFT JOIN pg_namespace AS rn ON rn.oid = rc.relnamespace
    LEFT JOIN pg_proc AS rp ON d.refclassid = 'pg_proc'::regclass AND rp.oid = d.refobjid
    LEFT JOIN pg_namespace AS pn ON pn.oid = rp.pronamespace
   WHERE rc.oid IS NOT NULL OR rp.oid IS NOT NULL
   ORDER BY 1, 2, 3`);

export interface ExtensionRow {
  readonly name: string;
  readonly schema: string;
  readonly version: string;
  /** Relations (their indexes, defaults and constraints included), types and routines that need a member of it. */
  readonly usedBy: readonly (readonly [string, string])[] | null;
  /** Its functions, to recognise calls in text bodies. */
  readonly routines: readonly string[] | null;
}

export const EXTENSIONS = asJson(`
  WITH member AS (SELECT refobjid AS extension, classid, objid FROM pg_depend
                   WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'),
  needed AS (
    SELECT DISTINCT m.extension, d.classid, d.objid FROM member AS m
      JOIN pg_depend AS d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('n', 'a')
     WHERE NOT EXISTS (SELECT FROM member AS o WHERE o.classid = d.classid AND o.objid = d.objid))
  SELECT e.extname AS name, n.nspname AS schema, e.extversion AS version,
         (SELECT json_agg(DISTINCT jsonb_build_array(un.nspname, u.name)) FROM (
            SELECT c.relnamespace AS namespace, c.relname AS name, nd.extension FROM needed AS nd
              LEFT JOIN pg_attrdef AS ad ON nd.classid = 'pg_attrdef'::regclass AND ad.oid = nd.objid
              LEFT JOIN pg_constraint AS con ON nd.classid = 'pg_constraint'::regclass AND con.oid = nd.objid
              LEFT JOIN pg_rewrite AS rw ON nd.classid = 'pg_rewrite'::regclass AND rw.oid = nd.objid
              LEFT JOIN pg_trigger AS tg ON nd.classid = 'pg_trigger'::regclass AND tg.oid = nd.objid
              LEFT JOIN pg_policy AS po ON nd.classid = 'pg_policy'::regclass AND po.oid = nd.objid
              LEFT JOIN pg_index AS i ON nd.classid = 'pg_class'::regclass AND i.indexrelid = nd.objid
              JOIN pg_class AS c ON c.oid = coalesce(ad.adrelid, con.conrelid, rw.ev_class, tg.tgrelid, po.polrelid, i.indrelid,
                     CASE WHEN nd.classid = 'pg_class'::regclass THEN nd.objid END)
            UNION ALL
            SELECT p.pronamespace, p.proname, nd.extension FROM needed AS nd
              JOIN pg_proc AS p ON nd.classid = 'pg_proc'::regclass AND p.oid = nd.objid
            UNION ALL
            SELECT t.typnamespace, t.typname, nd.extension FROM needed AS nd
              JOIN pg_type AS t ON nd.classid = 'pg_type'::regclass AND t.oid = nd.objid
          ) AS u JOIN pg_namespace AS un ON un.oid = u.namespace WHERE u.extension = e.oid) AS "usedBy",
         (SELECT json_agg(DISTINCT p.proname) FROM member AS m
            JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid WHERE m.extension = e.oid) AS routines
    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
   WHERE $1::text[] IS NOT DISTINCT FROM $1::text[] AND $2::oid[] IS NOT DISTINCT FROM $2::oid[] AND e.extname <> 'plpgsql'
   ORDER BY e.extname`);

export const SCHEMAS = asJson(`
  SELECT n.nspname AS name, d.description AS comment FROM pg_namespace AS n
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_namespace'::regclass AND d.objoid = n.oid
   WHERE ${inScope('n')} AND ${"NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')"}
     AND $2::oid[] IS NOT DISTINCT FROM $2::oid[]
   ORDER BY n.nspname`);
