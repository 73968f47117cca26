/** Sessions on MySQL and MariaDB, all alike: values as the server's own text, dates and big numbers unrounded, settings pinned. */
import type { Duplex } from 'node:stream';
import mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import type { OpenOptions, Ownership } from '../engine.js';
import { connectError } from './mysql-errors.js';
import { endOwnSession, traceOf, type SessionTrace } from './mysql-kill.js';

/**
 * Set in every session of dbps. A fence lets the applier's account pass only with it: an application may connect as the same account.
 */
export const SESSION_MARK = '@dbps_session';

/**
 * What shapes values as text, or silently changes them, is the same in every session of dbps; so is what servers are set to for applications:
 * dbps limits itself where it must not wait.
 */
const PINNED = [
  "SET SESSION time_zone = '+00:00'",
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
  'SET NAMES utf8mb4',
  'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE',
  `SET SESSION autocommit = 1, SESSION completion_type = 0, SESSION sql_safe_updates = 0, SESSION sql_auto_is_null = 0, SESSION foreign_key_checks = 1,
    SESSION unique_checks = 1, SESSION sql_big_selects = 1, SESSION sql_select_limit = 18446744073709551615, SESSION wait_timeout = 28800,
    SESSION net_read_timeout = 3600, SESSION net_write_timeout = 3600
    /*M!100300 , SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0, SESSION idle_write_transaction_timeout = 0, SESSION idle_readonly_transaction_timeout = 0 */`,
  `SET ${SESSION_MARK} = 'on'`,
] as const;

export interface MysqlSessionOptions extends OpenOptions {
  readonly readOnly?: boolean;
}

export async function connectionOptions(
  target: ConnectionTarget,
  options: MysqlSessionOptions,
): Promise<mysql.ConnectionOptions> {
  const { tls } = target;
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    password: (await target.revealPassword()) ?? '',
    connectTimeout: options.connectTimeoutMs ?? 10_000,
    connectAttributes: { program_name: options.applicationName },
    charset: 'utf8mb4_general_ci',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    decimalNumbers: false,
    multipleStatements: false,
    ...(tls !== false && {
      ssl: {
        rejectUnauthorized: tls.verify,
        ...(tls.ca !== undefined && { ca: tls.ca }),
        ...(tls.cert !== undefined && { cert: tls.cert }),
        ...(tls.key !== undefined && { key: tls.key }),
      },
    }),
  };
}

function settings(options: MysqlSessionOptions): readonly string[] {
  // A read-only *transaction* still lets MariaDB create tables; a read-only session does not.
  return options.readOnly === true ? [...PINNED, 'SET SESSION TRANSACTION READ ONLY'] : PINNED;
}

/** One session of its own. The caller ends it. */
export async function openMysqlSession(
  target: ConnectionTarget,
  options: MysqlSessionOptions,
): Promise<mysql.Connection> {
  const connection = await mysql
    .createConnection(await connectionOptions(target, options))
    .catch((error: unknown) => {
      throw connectError(error, target);
    });
  // A lost connection rejects the query under way; without a listener it would also end the process.
  connection.on('error', () => undefined);
  try {
    for (const statement of settings(options)) await connection.query(statement);
  } catch (error) {
    connection.destroy();
    throw error;
  }
  return connection;
}

/**
 * Ends a session at once, and fails what is under way on it. The driver's own way out says goodbye and waits for the answer: of a statement that none
 * comes to, on a line gone silent, nobody would hear again.
 */
export function cutOff(session: mysql.Connection): void {
  (session as unknown as { readonly connection: { readonly stream: Duplex } }).connection.stream.destroy();
}

/** What introspection and checks need of a session. */
export interface MysqlQueryable {
  query(options: {
    readonly sql: string;
    readonly values?: readonly unknown[];
  }): Promise<readonly Readonly<Record<string, string | null>>[]>;
}

/** Rows by lower-case name, every value as text: information_schema's case differs between versions. */
export function queryable(connection: mysql.Connection): MysqlQueryable {
  return {
    query: async ({ sql, values }) => {
      const [rows] = await connection.query({
        sql,
        values: values as unknown[],
        typeCast: (field) => field.buffer()?.toString('utf8') ?? null,
      });
      // A statement without a result set answers with a header instead of rows.
      if (!Array.isArray(rows)) return [];
      return (rows as Record<string, string | null>[]).map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value])),
      );
    },
  };
}

/** A few interchangeable sessions for short work. */
export class MysqlPool {
  readonly #pool: mysql.Pool;
  readonly #openSession: () => Promise<mysql.Connection>;
  readonly #endOnServer: (trace: SessionTrace) => Promise<void>;
  /** Sessions at work, each with what makes its work fail: the driver leaves a statement of a destroyed connection pending for ever. */
  readonly #busy = new Map<mysql.Connection, (reason: unknown) => void>();
  readonly #signal: AbortSignal | undefined;
  readonly #callOff = (): void => {
    for (const [connection, fail] of this.#busy) {
      const trace = traceOf(connection);
      connection.destroy();
      fail(this.#signal?.reason);
      void this.#endOnServer(trace);
    }
  };

  private constructor(pool: mysql.Pool, target: ConnectionTarget, options: MysqlSessionOptions) {
    this.#pool = pool;
    this.#openSession = () => openMysqlSession(target, options);
    this.#endOnServer = (trace) => endOwnSession(trace, target, options);
    // Whoever writes ends at a point of his own choosing; a reader that the server keeps waiting is called off.
    this.#signal = options.readOnly === true ? options.signal : undefined;
    this.#signal?.addEventListener('abort', this.#callOff, { once: true });
  }

  static async open(target: ConnectionTarget, options: MysqlSessionOptions): Promise<MysqlPool> {
    const pool = mysql.createPool({
      ...(await connectionOptions(target, options)),
      connectionLimit: options.poolSize ?? 4,
      maxIdle: options.poolSize ?? 4,
      idleTimeout: 10_000,
    });
    // Queued ahead of whatever the session is wanted for. One that fails ends the session: nothing runs on unpinned settings.
    pool.pool.on('connection', (connection) => {
      connection.on('error', () => undefined);
      for (const statement of settings(options)) {
        connection.query(statement, (error) => {
          if (error !== null) connection.destroy();
        });
      }
    });
    const opened = new MysqlPool(pool, target, options);
    try {
      // The first session proves that there is a way in.
      await opened.use((connection) => connection.query('SELECT 1'));
    } catch (error) {
      await opened.close();
      throw connectError(error, target);
    }
    return opened;
  }

  /**
   * A session beside the pool, ended afterwards: for work whose settings nobody else should inherit, and for what runs while a session of the pool
   * is held for it (DDL under an owned transaction), where sessions of the pool could all be waiting for one another.
   */
  async session<T>(work: (session: mysql.Connection) => Promise<T>): Promise<T> {
    const session = await this.#openSession();
    try {
      return await work(session);
    } finally {
      await session.end().catch(() => session.destroy());
    }
  }

  async use<T>(work: (connection: mysql.Connection) => Promise<T>): Promise<T> {
    const connection = await this.#pool.getConnection();
    try {
      const result = await new Promise<T>((resolve, reject) => {
        this.#busy.set(connection, reject);
        this.#signal?.throwIfAborted();
        work(connection).then(resolve, reject);
      });
      this.#busy.delete(connection);
      connection.release();
      return result;
    } catch (error) {
      this.#busy.delete(connection);
      // An error without an SQL state is the connection's, not the statement's.
      if (error instanceof Error && 'sqlState' in error && typeof error.sqlState === 'string')
        connection.release();
      else connection.destroy();
      throw error;
    }
  }

  async query(
    sql: string,
    values?: readonly unknown[],
  ): Promise<readonly Readonly<Record<string, string | null>>[]> {
    return this.use((connection) =>
      queryable(connection).query({ sql, ...(values !== undefined && { values }) }),
    );
  }

  async transaction<T>(work: (connection: mysql.Connection) => Promise<T>): Promise<T> {
    return this.use(async (connection) => {
      await connection.query('START TRANSACTION');
      try {
        const result = await work(connection);
        await connection.query('COMMIT');
        return result;
      } catch (error) {
        await connection.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  async ownedTransaction<T>(
    owner: Ownership,
    work: (connection: mysql.Connection) => Promise<T>,
  ): Promise<T> {
    return this.transaction(async (connection) => {
      await lockMysqlEpoch(connection, owner);
      return work(connection);
    });
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#callOff);
    await this.#pool.end();
  }
}

/**
 * First statement of every transaction that dbps writes. A locking read sees the newest row whatever the transaction's snapshot, and
 * LOCK IN SHARE MODE lets a runner's own sessions work side by side while a take-over waits for all of them.
 */
export async function lockMysqlEpoch(connection: mysql.Connection, owner: Ownership): Promise<void> {
  const [row] = await queryable(connection).query({
    sql: 'SELECT epoch FROM dbps.epoch WHERE service = ? LOCK IN SHARE MODE',
    values: [owner.service],
  });
  const found = row?.['epoch'] ?? null;
  if (found !== String(owner.epoch)) {
    throw new RefusedError({
      code: 'DBPS_E301',
      message: `${owner.service} was taken over: this runner holds epoch ${owner.epoch}, the database ${found ?? 'no longer knows the service'}`,
      hint: `dbps status ${owner.service}`,
    });
  }
}
