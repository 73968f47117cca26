import { ALL_KINDS, asJson, userRelations } from './scope.js';

export interface RelationRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'r' | 'p' | 'v' | 'm' | 'f';
  readonly isPartition: boolean;
  readonly owner: string;
  readonly comment: string | null;
  readonly persistence: 'p' | 'u' | 't';
  readonly rowSecurity: boolean;
  readonly forcedRowSecurity: boolean;
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i';
  readonly replicaIndex: string | null;
  readonly options: readonly string[] | null;
  readonly toastOptions: readonly string[] | null;
  readonly rows: number;
  readonly bytes: number | null;
  readonly storage: string;
  readonly bound: string | null;
  readonly partitionKey: string | null;
  readonly parents: readonly (readonly [string, string])[] | null;
  readonly definition: string | null;
  readonly ofType: string | null;
  readonly tablespace: string | null;
  readonly accessMethod: string | null;
}

/**
 * Sizes ($3: wanted at all) are the server's own count where it was vacuumed or analysed: asking the file system costs two dozen calls
 * a relation.
 */
export const RELATIONS = asJson(`
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
         c.relispartition AS "isPartition", pg_get_userbyid(c.relowner) AS owner, d.description AS comment,
         c.relpersistence AS persistence, c.relrowsecurity AS "rowSecurity",
         c.relforcerowsecurity AS "forcedRowSecurity", c.relreplident AS "replicaIdentity",
         CASE WHEN c.relreplident = 'i' THEN
           (SELECT ic.relname FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid
             WHERE i.indrelid = c.oid AND i.indisreplident) END AS "replicaIndex",
         c.reloptions AS options, tc.reloptions AS "toastOptions", c.reltuples AS rows,
         CASE WHEN NOT $3::boolean OR c.relkind NOT IN ('r', 'm') THEN NULL
           WHEN c.reltuples >= 0 THEN (c.relpages + coalesce(tc.relpages, 0) + coalesce(ix.pages, 0))
             * current_setting('block_size')::bigint
           ELSE pg_relation_size(c.oid) + coalesce(pg_relation_size(tc.oid), 0) END AS bytes,
         c.oid::text || '/' || c.relfilenode::text AS storage,
         pg_get_expr(c.relpartbound, c.oid) AS bound,
         CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS "partitionKey",
         (SELECT json_agg(json_build_array(pn.nspname, pc.relname) ORDER BY h.inhseqno)
            FROM pg_inherits AS h JOIN pg_class AS pc ON pc.oid = h.inhparent
            JOIN pg_namespace AS pn ON pn.oid = pc.relnamespace WHERE h.inhrelid = c.oid) AS parents,
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition,
         CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS "ofType",
         ts.spcname AS tablespace, nullif(am.amname, 'heap') AS "accessMethod"
    FROM ${userRelations(ALL_KINDS)}
    LEFT JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
    LEFT JOIN pg_class AS tc ON tc.oid = c.reltoastrelid
    LEFT JOIN (SELECT i.indrelid, sum(ic.relpages) AS pages FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid
                GROUP BY i.indrelid) AS ix ON ix.indrelid = c.oid
    LEFT JOIN pg_tablespace AS ts ON ts.oid = c.reltablespace
    LEFT JOIN pg_am AS am ON am.oid = c.relam AND c.relkind IN ('r', 'm')
   ORDER BY n.nspname, c.relname`);

/** Oids of the named relations ($1 json: [[schema, name], …]) and everything below them. */
export const DESCENDANTS = `
  WITH RECURSIVE wanted AS (
    SELECT c.oid FROM json_array_elements($1::json) AS w
      JOIN pg_namespace AS n ON n.nspname = w ->> 0
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w ->> 1
    UNION
    SELECT h.inhrelid FROM pg_inherits AS h JOIN wanted AS w ON w.oid = h.inhparent
  )
  SELECT coalesce(array_agg(oid ORDER BY oid), '{}')::text AS oids FROM wanted`;
