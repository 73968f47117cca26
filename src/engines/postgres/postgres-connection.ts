/**
 * Sessions on PostgreSQL, all alike: values come as the server's own text (no Date, no rounding), and the settings that shape
 * text are pinned, so that the same value reads the same on every server.
 */
import pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import type { OpenOptions, Ownership } from '../engine.js';
import { connectError } from './postgres-errors.js';

/** Every value as text: parsing is for whoever needs a number. */
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (value: string) => value };

/**
 * Tells dbps's own sessions from an application that connects as the same role: a closed fence passes `session_user` = the applier
 * only together with this setting.
 */
export const SESSION_MARK = 'dbps.session';

/** Settings that shape values as text; `search_path` is empty so that every name is written in full. */
const PINNED = {
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  search_path: 'pg_catalog',
  lc_monetary: 'C',
  // What roles and databases are set to, for applications: dbps limits itself where it must not wait.
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  [SESSION_MARK]: 'on',
} as const;

/** The same for limits that older servers do not know, and would refuse at the start of a session. */
const UNLIMITED =
  "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'";

export interface SessionOptions extends OpenOptions {
  readonly replication?: boolean;
  /** Further settings for the session's whole life. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly readOnly?: boolean;
}

export async function clientConfig(
  target: ConnectionTarget,
  options: SessionOptions,
): Promise<pg.ClientConfig> {
  const settings: Record<string, string> = { ...PINNED, ...options.settings };
  if (options.readOnly === true) settings['default_transaction_read_only'] = 'on';
  const startup = Object.entries(settings).map(
    ([name, value]) => `-c ${name}=${value.replaceAll(/([\\ ])/g, '\\$1')}`,
  );
  const { tls } = target;
  return {
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    password: (await target.revealPassword()) ?? '',
    ssl:
      tls === false
        ? false
        : {
            rejectUnauthorized: tls.verify,
            ...(tls.ca !== undefined && { ca: tls.ca }),
            ...(tls.cert !== undefined && { cert: tls.cert }),
            ...(tls.key !== undefined && { key: tls.key }),
          },
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    keepAlive: true,
    types: AS_TEXT,
    options: [
      ...startup,
      ...(target.parameters['options'] === undefined ? [] : [target.parameters['options']]),
    ].join(' '),
    ...(options.replication === true && { replication: 'database' }),
  };
}

const unlimit = (client: pg.ClientBase): unknown => client.query(UNLIMITED);

/** One session of its own: replication, locks, COPY. The caller ends it. */
export async function openSession(target: ConnectionTarget, options: SessionOptions): Promise<pg.Client> {
  const client = new pg.Client(await clientConfig(target, options));
  // A lost connection rejects the query under way; without a listener the same loss would also end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await unlimit(client);
  } catch (error) {
    await client.end().catch(() => undefined);
    throw connectError(error, target);
  }
  return client;
}

/** A few interchangeable sessions for short work. */
export class SessionPool {
  readonly #pool: pg.Pool;
  readonly #busy = new Set<pg.PoolClient>();
  readonly #stopReading: (() => void) | null;
  readonly #signal: AbortSignal | undefined;

  private constructor(pool: pg.Pool, target: ConnectionTarget, options: SessionOptions) {
    this.#pool = pool;
    // Whoever writes ends at a point of his own choosing; a reader that the server keeps waiting is called off.
    this.#signal = options.readOnly === true ? options.signal : undefined;
    this.#stopReading =
      this.#signal === undefined ? null : () => void interruptSessions([...this.#busy], target, options);
    if (this.#stopReading !== null)
      this.#signal?.addEventListener('abort', this.#stopReading, { once: true });
    this.#pool.on('error', () => undefined);
  }

  static async open(target: ConnectionTarget, options: SessionOptions): Promise<SessionPool> {
    const config = await clientConfig(target, options);
    const pool = new pg.Pool({
      ...config,
      password: async () => (await target.revealPassword()) ?? '',
      max: options.poolSize ?? 4,
      idleTimeoutMillis: 10_000,
      // The pool waits for it, whatever its types say.
      onConnect: unlimit,
    });
    const opened = new SessionPool(pool, target, options);
    try {
      await opened.use(async () => undefined);
    } catch (error) {
      await opened.close();
      throw connectError(error, target);
    }
    return opened;
  }

  async use<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    // A session lost while it is out must not end the process: the query under way rejects.
    const ignore = () => undefined;
    client.on('error', ignore);
    let broken: boolean | Error = false;
    this.#busy.add(client);
    try {
      // Called off while the session was opened: nobody would call off what it is asked now.
      this.#signal?.throwIfAborted();
      return await work(client);
    } catch (error) {
      this.#signal?.throwIfAborted();
      broken = error instanceof Error && !('severity' in error) ? error : false;
      throw error;
    } finally {
      this.#busy.delete(client);
      client.off('error', ignore);
      client.release(broken);
    }
  }

  async query<R extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<R[]> {
    return this.use(async (client) => (await client.query<R>(sql, values as unknown[])).rows);
  }

  /** A transaction that anyone may run: reads, or dbps's own bookkeeping before there is an owner. */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>, begin = 'BEGIN'): Promise<T> {
    return this.use(async (client) => {
      await client.query(begin);
      try {
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  /** A transaction of the lease's holder: see lockEpoch. */
  async ownedTransaction<T>(owner: Ownership, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return this.transaction(async (client) => {
      await lockEpoch(client, owner);
      return work(client);
    });
  }

  async close(): Promise<void> {
    if (this.#stopReading !== null) this.#signal?.removeEventListener('abort', this.#stopReading);
    await this.#pool.end();
  }
}

/** Without a goodbye: whatever is under way fails. */
export function cutOff(client: pg.ClientBase): void {
  (client as unknown as { readonly connection: pg.Connection }).connection.stream.destroy();
}

/**
 * Ends sessions in the middle of whatever they do, here and on the server: a closed socket does not reach a statement that waits for a
 * lock, and a statement called off between two others would leave the next one to wait.
 */
export async function interruptSessions(
  clients: readonly pg.ClientBase[],
  target: ConnectionTarget,
  options: SessionOptions,
): Promise<void> {
  if (clients.length === 0) return;
  const ids = clients.map((client) => (client as unknown as { readonly processID: number | null }).processID);
  for (const client of clients) cutOff(client);
  const session = await openSession(target, { applicationName: options.applicationName }).catch(() => null);
  // Nobody to ask: then the server notices by itself, at the latest when it has something to send.
  if (session === null) return;
  try {
    // Behind a pooler the number that a session was told is the pooler's: the same number may be somebody else's on the server.
    await session.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid = ANY ($1::int[]) AND usename = current_user AND application_name = left($2, 63)`,
      [ids, options.applicationName],
    );
  } catch {
    // As above.
  } finally {
    await session.end().catch(() => undefined);
  }
}

/**
 * First statement of every transaction that dbps writes, on either database. Shared, so that a runner's own sessions work side
 * by side; a take-over raises the row and so waits for all of them. A late chunk of a dead runner stops here instead of
 * bringing a deleted row back (docs/protocol.md, identity).
 */
export async function lockEpoch(client: Pick<pg.ClientBase, 'query'>, owner: Ownership): Promise<void> {
  const { rows } = await client.query<{ epoch: string }>(
    'SELECT epoch FROM dbps.epoch WHERE service = $1 FOR SHARE',
    [owner.service],
  );
  const found = rows[0]?.epoch;
  if (found !== String(owner.epoch)) {
    throw new RefusedError({
      code: 'DBPS_E301',
      message: `${owner.service} was taken over: this runner holds epoch ${owner.epoch}, the database ${found ?? 'no longer knows the service'}`,
      hint: `dbps status ${owner.service}`,
    });
  }
}
