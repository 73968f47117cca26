/** Sessions for long reads and bulk writes: opened when needed, kept for the next piece of work, ended together with their statement when one is interrupted. */
import type { Connection as CallbackConnection } from 'mysql2';
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { openMysqlSession, queryable, type MysqlSessionOptions } from './mysql-connection.js';
import { flavorOf, type MysqlFlavor } from './mysql-flavor.js';
import { endOwnSession, traceOf } from './mysql-kill.js';

/** A slow other side must not cost the connection. */
const PATIENT = [
  'SET SESSION net_write_timeout = 3600',
  'SET SESSION net_read_timeout = 3600',
  'SET SESSION wait_timeout = 28800',
] as const;

/**
 * For writing rows as they are: dates that legacy was allowed to store, zero in AUTO_INCREMENT columns, rows before those that they refer
 * to. What does not fit is an error. READ COMMITTED: a delete that finds nothing locks nothing.
 */
export const WRITING = [
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'",
  'SET SESSION foreign_key_checks = 0',
  'SET SESSION unique_checks = 1',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
] as const;

export interface BulkOptions extends MysqlSessionOptions {
  /** Run once on each new session. */
  readonly settings?: readonly string[];
}

export interface BulkSession {
  readonly connection: mysql.Connection;
  readonly flavor: MysqlFlavor;
  /** Rows in the order of the select list, every value as the server's text. */
  rows(sql: string, values?: readonly unknown[]): Promise<readonly (readonly (string | null)[])[]>;
  /** The same one by one, without holding them all. */
  each(sql: string, take: (row: readonly (string | null)[]) => void): Promise<void>;
}

export class BulkSessions {
  readonly #idle: BulkSession[] = [];
  /** Sessions at work, each with what makes its work fail: the driver leaves a statement of a destroyed connection pending for ever. */
  readonly #used = new Map<BulkSession, (reason: unknown) => void>();
  #isClosed = false;

  constructor(
    readonly target: ConnectionTarget,
    readonly options: BulkOptions,
  ) {}

  /** One piece of work on one session; an abort ends the statement on the server too. */
  async use<T>(work: (session: BulkSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const session = await this.acquire();
    const abort = () => void this.interrupt(session, signal?.reason);
    try {
      const result = await new Promise<T>((resolve, reject) => {
        this.#used.set(session, reject);
        signal?.addEventListener('abort', abort, { once: true });
        signal?.throwIfAborted();
        work(session).then(resolve, reject);
      });
      this.release(session);
      return result;
    } catch (error) {
      this.#used.delete(session);
      session.connection.destroy();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** For work whose end somebody else tells, by `release` or `interrupt`. */
  async acquire(): Promise<BulkSession> {
    if (this.#isClosed) throw new Error('the database handle was closed');
    let session = this.#idle.pop();
    while (session !== undefined && isOver(session.connection)) session = this.#idle.pop();
    session ??= await openBulkSession(this.target, this.options);
    this.#used.set(session, () => undefined);
    return session;
  }

  release(session: BulkSession): void {
    if (!this.#used.delete(session)) return;
    if (this.#isClosed) session.connection.destroy();
    else this.#idle.push(session);
  }

  /** Here and on the server. */
  async interrupt(session: BulkSession, reason: unknown): Promise<void> {
    const fail = this.#used.get(session);
    if (fail === undefined) return;
    this.#used.delete(session);
    const trace = traceOf(session.connection);
    session.connection.destroy();
    fail?.(reason);
    await endOwnSession(trace, this.target, this.options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = new Error('the database handle was closed');
    await Promise.all([...this.#used.keys()].map((session) => this.interrupt(session, closed)));
    await Promise.all(this.#idle.splice(0).map(({ connection }) => connection.end()));
  }
}

export async function openBulkSession(target: ConnectionTarget, options: BulkOptions): Promise<BulkSession> {
  const connection = await openMysqlSession(target, options);
  try {
    const [row] = await queryable(connection).query({ sql: 'SELECT version() AS version' });
    const flavor = flavorOf(row?.['version'] ?? '');
    // Limits that an administrator sets for applications must not cut long work short.
    await connection.query(flavor.bulkSettings);
    for (const sql of [...PATIENT, ...(options.settings ?? [])]) await connection.query(sql);
    return {
      connection,
      flavor,
      rows: (sql, values) => readRows(connection, sql, values),
      each: (sql, take) => readEach(connection, sql, take),
    };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

const AS_TEXT = {
  rowsAsArray: true,
  typeCast: (field: { buffer(): Buffer | null }) => field.buffer()?.toString('utf8') ?? null,
} as const;

/** The server ended it while nobody used it. */
function isOver(connection: mysql.Connection): boolean {
  const { stream } = (connection as unknown as { connection: { stream: { destroyed: boolean } } }).connection;
  return stream.destroyed;
}

async function readRows(
  connection: mysql.Connection,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly (readonly (string | null)[])[]> {
  const [rows] = await connection.query({ ...AS_TEXT, sql, values: values as unknown[] });
  return rows as unknown as (string | null)[][];
}

function readEach(
  connection: mysql.Connection,
  sql: string,
  take: (row: readonly (string | null)[]) => void,
): Promise<void> {
  // Only the driver's connection below the one with promises hands out rows as they come.
  const { connection: below } = connection as unknown as { connection: CallbackConnection };
  return new Promise((resolve, reject) => {
    below
      .query({ ...AS_TEXT, sql })
      .on('result', (row: unknown) => take(row as (string | null)[]))
      .on('error', reject)
      .on('end', () => resolve());
  });
}
