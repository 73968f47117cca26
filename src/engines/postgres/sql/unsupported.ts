/** Objects that exist and that the model has no place for: each is told, none is passed over. */
import { asJson, inScope, notOfExtension } from './scope.js';

export interface UnsupportedRow {
  readonly kind: string;
  readonly name: string;
  readonly relationSchema: string | null;
  readonly relationName: string | null;
  readonly reason: string;
}

const plain = (
  kind: string,
  catalogue: string,
  alias: string,
  name: string,
  namespace: string,
  where = 'true',
) => `
  SELECT '${kind}' AS kind, n.nspname || '.' || ${alias}.${name} AS name, NULL::name AS "relationSchema",
         NULL::name AS "relationName", 'not carried over: create it on the service database yourself' AS reason
    FROM ${catalogue} AS ${alias} JOIN pg_namespace AS n ON n.oid = ${alias}.${namespace} AND ${inScope('n')}
   WHERE ${where} AND ${notOfExtension(catalogue, `${alias}.oid`)}`;

export const UNSUPPORTED = asJson(`
  SELECT * FROM (
    ${plain('operator', 'pg_operator', 'o', 'oprname', 'oprnamespace')}
    UNION ALL ${plain('operator class', 'pg_opclass', 'o', 'opcname', 'opcnamespace')}
    UNION ALL ${plain('collation', 'pg_collation', 'o', 'collname', 'collnamespace')}
    UNION ALL ${plain('conversion', 'pg_conversion', 'o', 'conname', 'connamespace')}
    UNION ALL ${plain('text search configuration', 'pg_ts_config', 'o', 'cfgname', 'cfgnamespace')}
    UNION ALL ${plain('text search dictionary', 'pg_ts_dict', 'o', 'dictname', 'dictnamespace')}
    UNION ALL ${plain(
      'function in C',
      'pg_proc',
      'o',
      'proname',
      'pronamespace',
      `o.prokind <> 'a' AND o.prolang IN (SELECT oid FROM pg_language WHERE lanname IN ('c', 'internal'))
       AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_proc'::regclass AND i.objid = o.oid AND i.deptype = 'i')`,
    )}
    UNION ALL
    SELECT 'extended statistics', n.nspname || '.' || s.stxname, rn.nspname, c.relname,
           'not carried over: ' || pg_get_statisticsobjdef(s.oid)
      FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace AND ${inScope('n')}
      JOIN pg_class AS c ON c.oid = s.stxrelid JOIN pg_namespace AS rn ON rn.oid = c.relnamespace
    UNION ALL
    SELECT 'event trigger', evtname, NULL, NULL, 'fires for the whole database: create it on the service database yourself'
      FROM pg_event_trigger AS o WHERE ${notOfExtension('pg_event_trigger', 'o.oid')}
    UNION ALL
    SELECT 'publication', pubname, NULL, NULL, 'subscribers of the shared database must be pointed at the service database'
      FROM pg_publication WHERE pubname NOT LIKE 'dbps\\_%'
    UNION ALL
    SELECT 'cast', format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL), NULL, NULL,
           'not carried over: create it on the service database yourself'
      FROM pg_cast AS o WHERE o.oid >= 16384
       -- a range type brings the one to its multirange
       AND NOT EXISTS (SELECT FROM pg_depend AS i WHERE i.classid = 'pg_cast'::regclass AND i.objid = o.oid AND i.deptype = 'i')
       AND ${notOfExtension('pg_cast', 'o.oid')}
    UNION ALL
    SELECT 'default privileges', 'of ' || pg_get_userbyid(defaclrole) || coalesce(' in ' || n.nspname, ''), NULL, NULL,
           'not carried over: future objects on the service database get no grants by themselves'
      FROM pg_default_acl AS o LEFT JOIN pg_namespace AS n ON n.oid = o.defaclnamespace
     WHERE n.oid IS NULL OR ${inScope('n')}
    UNION ALL
    SELECT 'foreign server', srvname, NULL, NULL, 'not carried over, nor its user mappings'
      FROM pg_foreign_server AS o WHERE ${notOfExtension('pg_foreign_server', 'o.oid')}
    UNION ALL
    SELECT 'large objects', count(*) || ' large objects', NULL, NULL,
           'pg_largeobject is not in the change log: move them into a bytea column first'
      FROM pg_largeobject_metadata HAVING count(*) > 0
  ) AS u WHERE $2::oid[] IS NOT DISTINCT FROM $2::oid[] ORDER BY kind, name`);
