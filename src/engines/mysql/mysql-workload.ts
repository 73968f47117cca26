/**
 * What MySQL or MariaDB has counted: digests of statements with their database, rows written to each relation (performance_schema, where it is
 * on and may be read), connections. A digest is of all accounts together; whose it was is known where the server keeps who sent it last.
 */
import { relationId } from '../../model/relation-id.js';
import type {
  ServerWorkload,
  WorkloadGap,
  WorkloadReader,
  WorkloadStatement,
  WriteCounts,
} from '../usage.js';
import type { MysqlPool } from './mysql-connection.js';

const MOST_STATEMENTS = 5000;
/** Statements that neither read nor write rows of the application. */
const NO_USE =
  '^(SET|SHOW|BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|USE|FLUSH|KILL|CREATE|ALTER|DROP|GRANT|REVOKE|EXPLAIN|DESCRIBE|ANALYZE|PREPARE|DEALLOCATE|LOCK|UNLOCK)[^A-Z_]';
/** Picoseconds in a millisecond: the unit of the server's timers. */
const PICOSECONDS = 1e9;

type Rows = Awaited<ReturnType<MysqlPool['query']>>;

export class MysqlWorkload implements WorkloadReader {
  constructor(private readonly pool: MysqlPool) {}

  async read(signal?: AbortSignal): Promise<ServerWorkload> {
    const gaps: WorkloadGap[] = [];
    const isOn = await this.#isOn();
    const uptimeMs = await this.#uptimeMs();
    const statements = isOn ? await this.#statements(gaps) : null;
    signal?.throwIfAborted();
    const writes = isOn ? await this.#writes(gaps, uptimeMs) : null;
    signal?.throwIfAborted();
    if (!isOn)
      gaps.push({
        what: 'statements',
        reason: 'performance_schema is off: the server counts neither statements nor written rows',
        remedy:
          'set performance_schema = ON in the configuration and restart the server; or give a statement log: --log',
      });
    return {
      source: statements === null ? null : 'performance_schema',
      statements: statements ?? [],
      // Digests are lost with a restart, and may have been emptied since: no more than this.
      statementsForMs: statements === null ? null : uptimeMs,
      writes,
      ...(await this.#connections()),
      gaps,
    };
  }

  async #isOn(): Promise<boolean> {
    const [row] = await this.pool.query('SELECT @@global.performance_schema AS is_on');
    return row?.['is_on'] === '1';
  }

  async #uptimeMs(): Promise<number | null> {
    const [row] = await this.pool.query("SHOW GLOBAL STATUS LIKE 'Uptime'");
    const seconds = row?.['value'];
    return seconds == null ? null : Number(seconds) * 1000;
  }

  async #statements(gaps: WorkloadGap[]): Promise<readonly WorkloadStatement[] | null> {
    const rows = await this.#orGap(gaps, 'statements', () =>
      this.pool.query(
        `SELECT schema_name, digest, digest_text, count_star, sum_timer_wait
           FROM performance_schema.events_statements_summary_by_digest
          WHERE digest_text IS NOT NULL AND schema_name IS NOT NULL
            AND schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema', 'dbps')
            AND digest_text NOT REGEXP '${NO_USE}'
          ORDER BY count_star DESC, digest LIMIT ${MOST_STATEMENTS}`,
      ),
    );
    if (rows === null) return null;
    if (rows.length === 0) {
      const [consumer] = await this.pool.query(
        "SELECT enabled FROM performance_schema.setup_consumers WHERE name = 'statements_digest'",
      );
      if (consumer?.['enabled'] !== 'YES')
        gaps.push({
          what: 'statements',
          reason: 'performance_schema is on, and counts no digests',
          remedy:
            "UPDATE performance_schema.setup_consumers SET enabled = 'YES' WHERE name IN ('statements_digest', 'global_instrumentation', 'thread_instrumentation')",
        });
    }
    await this.#tellUncounted(gaps);
    const users = rows.length === 0 ? new Map<string, string>() : await this.#users(gaps);
    return rows.map((row) => {
      const user = users.get(row['digest'] ?? '');
      return {
        sql: row['digest_text'] ?? '',
        calls: Number(row['count_star']),
        totalMs: Number(row['sum_timer_wait']) / PICOSECONDS,
        schema: row['schema_name'] ?? '',
        ...(user !== undefined && { user }),
      };
    });
  }

  /** When its table is full, the server counts every statement that is new to it in one row without a text. */
  async #tellUncounted(gaps: WorkloadGap[]): Promise<void> {
    const [row] = await this.pool.query(
      `SELECT SUM(count_star) AS calls, @@global.performance_schema_digests_size AS size
         FROM performance_schema.events_statements_summary_by_digest WHERE digest IS NULL AND schema_name IS NULL`,
    );
    const calls = Number(row?.['calls'] ?? 0);
    if (calls === 0) return;
    gaps.push({
      what: 'statements',
      reason: `the workload is a part only: the server keeps ${row?.['size'] ?? ''} different statements, its table is full, and ${calls} ${calls === 1 ? 'call' : 'calls'} of others were counted without their text`,
      remedy:
        'TRUNCATE TABLE performance_schema.events_statements_summary_by_digest (counting begins anew), and run analyze again when it has counted for a week; or a larger performance_schema_digests_size in the configuration and a restart; or give a statement log: --log',
    });
  }

  /** Digests that one account alone was seen to send, as far as the server's short memory goes. */
  async #users(gaps: WorkloadGap[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#orGap(gaps, 'users', () =>
      this.pool.query(
        `SELECT h.digest, MIN(t.processlist_user) AS user
           FROM (SELECT digest, thread_id FROM performance_schema.events_statements_history
                 UNION SELECT digest, thread_id FROM performance_schema.events_statements_current
                 UNION SELECT digest, thread_id FROM performance_schema.events_statements_history_long) h
           JOIN performance_schema.threads t ON t.thread_id = h.thread_id
          WHERE h.digest IS NOT NULL AND t.processlist_user IS NOT NULL
          GROUP BY h.digest HAVING COUNT(DISTINCT t.processlist_user) = 1`,
      ),
    );
    if (rows?.length === 0)
      gaps.push({
        what: 'users',
        reason: 'the server does not keep who sent a statement',
        remedy:
          "UPDATE performance_schema.setup_consumers SET enabled = 'YES' WHERE name IN ('events_statements_current', 'events_statements_history', 'events_statements_history_long')",
      });
    return new Map((rows ?? []).map((row) => [row['digest'] ?? '', row['user'] ?? '']));
  }

  async #writes(gaps: WorkloadGap[], uptimeMs: number | null): Promise<WriteCounts | null> {
    const rows = await this.#orGap(gaps, 'writes', () =>
      this.pool.query(
        `SELECT object_schema, object_name, count_insert + count_update + count_delete AS written
           FROM performance_schema.table_io_waits_summary_by_table
          WHERE object_type = 'TABLE' AND object_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema', 'dbps')
            AND count_insert + count_update + count_delete > 0`,
      ),
    );
    return rows === null
      ? null
      : {
          forMs: uptimeMs,
          relations: rows.map((row) => ({
            relation: relationId(row['object_schema'] ?? '', row['object_name'] ?? ''),
            rows: Number(row['written']),
          })),
        };
  }

  async #connections(): Promise<Pick<ServerWorkload, 'maxConnections' | 'usedConnections'>> {
    const [most] = await this.pool.query('SELECT @@global.max_connections AS most');
    const [used] = await this.pool.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'");
    return {
      maxConnections: most?.['most'] == null ? null : Number(most['most']),
      usedConnections: used?.['value'] == null ? null : Number(used['value']),
    };
  }

  async #orGap(
    gaps: WorkloadGap[],
    what: WorkloadGap['what'],
    read: () => Promise<Rows>,
  ): Promise<Rows | null> {
    try {
      return await read();
    } catch (error) {
      // ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR.
      const number = (error as { errno?: number }).errno;
      if (number === undefined || ![1142, 1143, 1044, 1227].includes(number)) throw error;
      const [me] = await this.pool.query('SELECT CURRENT_USER() AS user');
      const [name, host] = (me?.['user'] ?? '').split(/@(?=[^@]*$)/);
      gaps.push({
        what,
        reason: 'performance_schema may not be read by this account',
        remedy: `GRANT SELECT ON performance_schema.* TO '${name ?? ''}'@'${host ?? '%'}'`,
      });
      return null;
    }
  }
}
