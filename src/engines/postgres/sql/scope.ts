/**
 * What every catalogue query shares. Parameters: $1 text[] schemas (null: all that are not the server's or dbps's own),
 * $2 oid[] relations (null: all). Members of extensions come with their extension and are left out.
 * The queries expect an empty search_path, so that the server writes every name of the user's in full.
 */
export const inScope = (namespace: string): string =>
  `(${namespace}.nspname NOT IN ('pg_catalog', 'information_schema', 'dbps') AND ${namespace}.nspname !~ '^pg_'
    AND ($1::text[] IS NULL OR ${namespace}.nspname = ANY ($1::text[])))`;

export const notOfExtension = (catalogue: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend AS e
                WHERE e.classid = '${catalogue}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

/** One value a query: fewer bytes and no guessing about types. */
export const asJson = (query: string): string =>
  `SELECT coalesce(json_agg(q), '[]'::json)::text AS rows FROM (${query}) AS q`;

/** Relations of the user's that hold rows or a query, joined as c and n. */
export const userRelations = (kinds: string): string =>
  `pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     AND c.relkind IN (${kinds}) AND c.relpersistence <> 't' AND ${inScope('n')}
     AND ($2::oid[] IS NULL OR c.oid = ANY ($2::oid[])) AND ${notOfExtension('pg_class', 'c.oid')}`;

/**
 * The relation (rc) that a row of pg_depend refers to, directly or by its row type or an array of that: a function that RETURNS SETOF a
 * table, or a view that casts to one, stands in the way of dropping it.
 */
export const referredRelation = (depend: string, join: 'JOIN' | 'LEFT JOIN'): string =>
  `LEFT JOIN pg_type AS rt ON ${depend}.refclassid = 'pg_type'::regclass AND rt.oid = ${depend}.refobjid
     LEFT JOIN pg_type AS re ON re.oid = rt.typelem AND rt.typcategory = 'A'
     ${join} pg_class AS rc ON rc.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND rc.oid = CASE ${depend}.refclassid WHEN 'pg_class'::regclass THEN ${depend}.refobjid
                   WHEN 'pg_type'::regclass THEN coalesce(nullif(rt.typrelid, 0), re.typrelid) END`;

/** `[schema, name]` of the relation whose row type this is, null for any other type. */
export const rowTypeOf = (typrelid: string): string =>
  `CASE WHEN ${typrelid} <> 0 THEN
     (SELECT json_build_array(rn.nspname, rc.relname) FROM pg_class AS rc JOIN pg_namespace AS rn ON rn.oid = rc.relnamespace
       WHERE rc.oid = ${typrelid} AND rc.relkind IN ('r', 'p', 'v', 'm', 'f')) END`;

export const ALL_KINDS = `'r', 'p', 'v', 'm', 'f'`;
export const TABLE_KINDS = `'r', 'p', 'f'`;
