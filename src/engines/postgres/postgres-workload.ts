/**
 * What PostgreSQL has counted: statements with their users (pg_stat_statements, where it is installed and may be read), rows written to each
 * relation, connections. Reads on a session that the server holds read-only; what may not be seen becomes a gap, never an error.
 */
import { relationId } from '../../model/relation-id.js';
import type { ServerWorkload, WorkloadGap, WorkloadReader, WriteCounts } from '../usage.js';
import type { SessionPool } from './postgres-connection.js';
import { sqlState } from './postgres-errors.js';
import { quoteIdentifier } from './postgres-sql.js';

/** The view's default size; what is called less often than these says nothing about boundaries. */
const MOST_STATEMENTS = 5000;
/** A text longer than this is a generated report or a bulk insert. */
const LONGEST_TEXT = 100_000;
/** Statements that neither read nor write rows of the application. */
const NO_USE = String.raw`^\s*(set|show|reset|begin|start|commit|end|rollback|abort|savepoint|release|discard|prepare|deallocate|close|fetch|listen|unlisten|notify|create|alter|drop|grant|revoke|comment|reindex|vacuum|analyze|explain|checkpoint|do)\M`;
const HIDDEN = '<insufficient privilege>';

interface Extension {
  readonly schema: string;
  readonly columns: readonly string[];
}

interface StatementRow {
  readonly user: string;
  readonly sql: string;
  readonly calls: string;
  readonly total_ms: string;
}

export class PostgresWorkload implements WorkloadReader {
  constructor(private readonly pool: SessionPool) {}

  async read(signal?: AbortSignal): Promise<ServerWorkload> {
    const gaps: WorkloadGap[] = [];
    const rows = await this.#statements(gaps);
    signal?.throwIfAborted();
    const writes = await this.#writes(gaps);
    signal?.throwIfAborted();
    return {
      source: rows === null ? null : 'pg_stat_statements',
      statements: (rows?.statements ?? []).map((row) => ({
        sql: row.sql,
        calls: Number(row.calls),
        totalMs: Number(row.total_ms),
        user: row.user,
      })),
      statementsForMs: rows?.forMs ?? null,
      writes,
      ...(await this.#connections()),
      gaps,
    };
  }

  async #statements(
    gaps: WorkloadGap[],
  ): Promise<{ readonly statements: readonly StatementRow[]; readonly forMs: number | null } | null> {
    const extension = await this.#extension();
    if (extension === null) {
      gaps.push({
        what: 'statements',
        reason: 'pg_stat_statements is not installed in this database',
        remedy:
          'add pg_stat_statements to shared_preload_libraries, restart the server, then CREATE EXTENSION pg_stat_statements; or give a statement log: --log',
      });
      return null;
    }
    const view = `${quoteIdentifier(extension.schema)}.pg_stat_statements`;
    // total_time until version 1.7 (PostgreSQL 12).
    const total = extension.columns.includes('total_exec_time') ? 'total_exec_time' : 'total_time';
    try {
      const rows = await this.pool.query<StatementRow>(
        `SELECT pg_get_userbyid(s.userid) AS user, s.query AS sql, sum(s.calls)::bigint AS calls, sum(s.${total}) AS total_ms
           FROM ${view} s JOIN pg_database d ON d.oid = s.dbid
          WHERE d.datname = current_database() AND s.query IS NOT NULL AND length(s.query) <= ${LONGEST_TEXT}
            AND s.query !~* '${NO_USE}'
          GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1 LIMIT ${MOST_STATEMENTS}`,
      );
      const hidden = rows.filter((row) => row.sql === HIDDEN);
      if (hidden.length > 0) {
        const calls = hidden.reduce((sum, row) => sum + Number(row.calls), 0);
        gaps.push({
          what: 'texts',
          reason: `the server hides the statements of ${hidden.map((row) => row.user).join(', ')} (${calls} calls)`,
          remedy: `GRANT pg_read_all_stats TO ${quoteIdentifier(await this.#user())}`,
        });
      }
      return {
        statements: rows.filter((row) => row.sql !== HIDDEN),
        forMs: await this.#countedFor(extension),
      };
    } catch (error) {
      const state = sqlState(error);
      if (state !== '55000' && state !== '42501') throw error;
      gaps.push(
        state === '55000'
          ? {
              what: 'statements',
              reason: 'pg_stat_statements is installed, and the server was started without it',
              remedy: 'add pg_stat_statements to shared_preload_libraries and restart the server',
            }
          : {
              what: 'statements',
              reason: 'pg_stat_statements may not be read by this role',
              remedy: `GRANT USAGE ON SCHEMA ${quoteIdentifier(extension.schema)} TO ${quoteIdentifier(await this.#user())}; GRANT SELECT ON ${view} TO ${quoteIdentifier(await this.#user())}`,
            },
      );
      return null;
    }
  }

  async #extension(): Promise<Extension | null> {
    const rows = await this.pool.query<{ schema: string; columns: string }>(
      `SELECT n.nspname AS schema,
              coalesce((SELECT json_agg(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.relnamespace = n.oid AND c.relname IN ('pg_stat_statements', 'pg_stat_statements_info') AND a.attnum > 0), '[]') AS columns
         FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'`,
    );
    const row = rows[0];
    return row === undefined ? null : { schema: row.schema, columns: JSON.parse(row.columns) as string[] };
  }

  async #countedFor(extension: Extension): Promise<number | null> {
    // The view of when it was reset is there from version 1.9 (PostgreSQL 14).
    if (!extension.columns.includes('stats_reset')) return null;
    const [row] = await this.pool.query<{ ms: string | null }>(
      `SELECT ${ageMs('stats_reset')} AS ms FROM ${quoteIdentifier(extension.schema)}.pg_stat_statements_info`,
    );
    return row?.ms == null ? null : Number(row.ms);
  }

  async #writes(gaps: WorkloadGap[]): Promise<WriteCounts | null> {
    const [server] = await this.pool.query<{ counts: string; ms: string | null }>(
      // A database whose counters were never reset has counted since the cluster's own began at the latest: a rate from that is none too high.
      `SELECT current_setting('track_counts') AS counts,
              ${ageMs('coalesce((SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), (SELECT stats_reset FROM pg_stat_bgwriter))')} AS ms`,
    );
    if (server?.counts !== 'on') {
      gaps.push({
        what: 'writes',
        reason: 'track_counts is off: the server counts no rows',
        remedy: 'ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf()',
      });
      return null;
    }
    const rows = await this.pool.query<{ schema: string; name: string; rows: string }>(
      `SELECT schemaname AS schema, relname AS name, n_tup_ins + n_tup_upd + n_tup_del AS rows
         FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0`,
    );
    return {
      forMs: server.ms === null ? null : Number(server.ms),
      relations: rows.map((row) => ({
        relation: relationId(row.schema, row.name),
        rows: Number(row.rows),
      })),
    };
  }

  async #connections(): Promise<Pick<ServerWorkload, 'maxConnections' | 'usedConnections'>> {
    const [row] = await this.pool.query<{ most: string; used: string }>(
      `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
              - coalesce(current_setting('reserved_connections', true), '0')::int AS most,
              (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used`,
    );
    return row === undefined
      ? { maxConnections: null, usedConnections: null }
      : { maxConnections: Number(row.most), usedConnections: Number(row.used) };
  }

  async #user(): Promise<string> {
    const [row] = await this.pool.query<{ user: string }>('SELECT current_user AS user');
    return row?.user ?? '';
  }
}

const ageMs = (time: string): string => `(extract(epoch FROM clock_timestamp() - ${time}) * 1000)::bigint`;
