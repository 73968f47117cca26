/** Sessions for long reads: opened when needed, kept for the next piece of work, ended together with their statement when one is interrupted. */
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { openMysqlSession, queryable, type MysqlSessionOptions } from './mysql-connection.js';
import { flavorOf, type MysqlFlavor } from './mysql-flavor.js';

export interface BulkSession {
  readonly connection: mysql.Connection;
  readonly flavor: MysqlFlavor;
  /** Rows in the order of the select list, every value as the server's text. */
  rows(sql: string, values?: readonly unknown[]): Promise<readonly (readonly (string | null)[])[]>;
}

export class BulkSessions {
  readonly #idle: BulkSession[] = [];
  /** Sessions at work, each with what makes its work fail: the driver leaves a statement of a destroyed connection pending for ever. */
  readonly #used = new Map<BulkSession, (reason: unknown) => void>();
  #isClosed = false;

  constructor(
    readonly target: ConnectionTarget,
    readonly options: MysqlSessionOptions,
  ) {}

  /** One piece of work on one session; an abort ends the statement on the server too. */
  async use<T>(work: (session: BulkSession) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new Error('the database handle was closed');
    const session = this.#idle.pop() ?? (await this.#open());
    const abort = () => void this.#interrupt(session, signal?.reason);
    try {
      const result = await new Promise<T>((resolve, reject) => {
        this.#used.set(session, reject);
        signal?.addEventListener('abort', abort, { once: true });
        signal?.throwIfAborted();
        work(session).then(resolve, reject);
      });
      this.#used.delete(session);
      if (this.#isClosed) session.connection.destroy();
      else this.#idle.push(session);
      return result;
    } catch (error) {
      this.#used.delete(session);
      session.connection.destroy();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #open(): Promise<BulkSession> {
    const connection = await openMysqlSession(this.target, this.options);
    try {
      const [row] = await queryable(connection).query({ sql: 'SELECT version() AS version' });
      const flavor = flavorOf(row?.['version'] ?? '');
      // Limits that an administrator sets for applications must not cut a long read short.
      await connection.query(flavor.bulkSettings);
      return { connection, flavor, rows: (sql, values) => readRows(connection, sql, values) };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** The server goes on with a statement whose client has gone, until it has something to send. */
  async #interrupt(session: BulkSession, reason: unknown): Promise<void> {
    const fail = this.#used.get(session);
    const id = session.connection.threadId;
    session.connection.destroy();
    fail?.(reason);
    const other = await openMysqlSession(this.target, this.options).catch(() => null);
    // Already gone: just what was wanted.
    await other?.query(`KILL ${Number(id)}`).catch(() => undefined);
    other?.destroy();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = new Error('the database handle was closed');
    await Promise.all([...this.#used.keys()].map((session) => this.#interrupt(session, closed)));
    await Promise.all(this.#idle.splice(0).map(({ connection }) => connection.end()));
  }
}

async function readRows(
  connection: mysql.Connection,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly (readonly (string | null)[])[]> {
  const [rows] = await connection.query({
    sql,
    values: values as unknown[],
    rowsAsArray: true,
    typeCast: (field) => field.buffer()?.toString('utf8') ?? null,
  });
  return rows as unknown as (string | null)[][];
}
