/** Sessions that chunks are copied over: opened when needed, kept for the next chunk, thrown away when one was interrupted. */
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { interruptSessions, openSession, type SessionOptions } from './postgres-connection.js';

/**
 * Whatever the role or the database sets must not cut a long copy short, filter its rows (row security is an error here, never a
 * silent selection), or plan each chunk over several processes.
 */
export const BULK_SETTINGS = {
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  lc_monetary: 'C',
} as const;

export class CopySessions {
  readonly #idle: pg.Client[] = [];
  readonly #used = new Set<pg.Client>();
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(
    readonly target: ConnectionTarget,
    readonly options: SessionOptions,
    /** Run once on each new session. */
    readonly prepare: (client: pg.Client) => Promise<void> = async () => undefined,
  ) {}

  async acquire(): Promise<pg.Client> {
    if (this.#isClosed) throw new Error('the database handle was closed');
    const client = this.#idle.pop() ?? (await this.#open());
    this.#used.add(client);
    return client;
  }

  async #open(): Promise<pg.Client> {
    const client = await openSession(this.target, this.options);
    try {
      await this.prepare(client);
      return client;
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  release(client: pg.Client): void {
    if (!this.#used.delete(client)) return;
    if (this.#isClosed) void client.end();
    else this.#idle.push(client);
  }

  /** One piece of work on one session; an abort ends the session, and the statement on the server. */
  async use<T>(work: (client: pg.Client) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const client = await this.acquire();
    const abort = () => this.interrupt(client);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      // Aborted while the session was opened: the listener came too late to hear of it.
      signal?.throwIfAborted();
      const result = await work(client);
      this.release(client);
      return result;
    } catch (error) {
      this.destroy(client);
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends a session whose work has failed: the server rolls back what is open. */
  destroy(client: pg.Client): void {
    this.#used.delete(client);
    (client as unknown as { connection: pg.Connection }).connection.stream.destroy();
  }

  /** The same on a server that may keep the session waiting, for a lock or for what it computes. */
  interrupt(client: pg.Client): void {
    if (!this.#used.delete(client)) return;
    const ending = interruptSessions([client], this.target, this.options).finally(() =>
      this.#ending.delete(ending),
    );
    this.#ending.add(ending);
  }

  /** Until the server has been told of every session that was ended early. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const client of this.#used) this.interrupt(client);
    await Promise.all([...this.#ending, ...this.#idle.splice(0).map((client) => client.end())]);
  }
}
