/**
 * Statements that the server has counted (pg_stat_statements), as far as they name the given relations. Not seen: statements of dbps's own role,
 * and those that reach a relation through a view or a function, which have to be gone before anyway.
 */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import type { RelationUsage } from '../engine.js';
import { readTree, type Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier } from './postgres-sql.js';
import { postgresStatementReader } from './postgres-statement-reader.js';

const HIDDEN = '<insufficient privilege>';

export async function readUsage(client: Queryable, relations: readonly RelationId[]): Promise<RelationUsage> {
  const { rows: extensions } = await client.query<{ schema: string; hasInfo: string }>(
    `SELECT n.nspname AS schema, (to_regclass(quote_ident(n.nspname) || '.pg_stat_statements_info') IS NOT NULL)::text AS "hasInfo"
       FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'`,
  );
  const [extension] = extensions;
  if (extension === undefined)
    return { counts: null, reason: 'pg_stat_statements is not installed in this database' };
  // After a reset the same numbers are other statements.
  const resetAt =
    extension.hasInfo === 'true'
      ? `(SELECT extract(epoch FROM stats_reset) FROM ${quoteIdentifier(extension.schema)}.pg_stat_statements_info)`
      : "''";
  const named = (await readTree(client, relations)).map(({ id }) => parseRelationId(id));
  const pattern = named.map(({ name }) => name.replaceAll(/[^\p{L}\p{N}_]/gu, '.')).join('|');
  let rows: readonly { id: string; user: string; query: string; calls: string }[];
  try {
    ({ rows } = await client.query<{ id: string; user: string; query: string; calls: string }>(
      `SELECT concat_ws('/', r.rolname, s.queryid, ${resetAt}) AS id, r.rolname AS user, s.query, sum(s.calls) AS calls
         FROM ${quoteIdentifier(extension.schema)}.pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
        WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND r.rolname <> session_user
          AND (s.query = $1 OR s.query ~* $2)
        GROUP BY 1, 2, 3`,
      [HIDDEN, `(${pattern})`],
    ));
  } catch (error) {
    // Not loaded into the server: the view is there and answers nothing.
    if ((error as { code?: string }).code !== '55000') throw error;
    return { counts: null, reason: 'pg_stat_statements is not in shared_preload_libraries' };
  }
  if (rows.some(({ query }) => query === HIDDEN))
    return {
      counts: null,
      reason: "others' statements are hidden: GRANT pg_read_all_stats TO the role of dbps",
    };
  const uses = await postgresStatementReader.read(rows.map(({ query }) => query));
  const isNamed = ({ schema, name }: { readonly schema?: string; readonly name: string }) =>
    named.some((known) => known.name === name && (schema === undefined || known.schema === schema));
  return {
    counts: rows.flatMap(({ id, user, calls }, index) => {
      const use = uses[index] ?? null;
      // One that cannot be read and has the name in it counts: nobody is to lose a table that is in use.
      const isUse = use === null || [...use.reads, ...use.writes].some(isNamed);
      return isUse ? [{ id, user, calls: Number(calls) }] : [];
    }),
  };
}
