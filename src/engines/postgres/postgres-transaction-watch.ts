/**
 * Which relations are written in one transaction, while it lasts: a temporary logical slot of one ordinary session, decoded by test_decoding (it is part of
 * every server's contrib) and asked in short intervals. A temporary slot goes with its session, however that ends: Ctrl-C, SIGKILL, a lost network. No
 * publication is needed, so nothing else could stay, and no table without a replica identity loses its updates. The server cuts each change
 * off behind the relation's name: values never leave it.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError } from '../../model/errors.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { TransactionWatch, WatchedTransaction, WatchOptions } from '../usage.js';
import { openSession } from './postgres-connection.js';
import { described, sqlState } from './postgres-errors.js';
import { quoteLiteral } from './postgres-sql.js';

const POLL_MS = 1000;
/** Transactions of one answer: the server holds an answer in memory. */
const MOST_CHANGES = 50_000;
/** Two quoted names of 63 bytes, all of them quotes, and what stands around them. */
const LONGEST_NAME = 300;
/** A session that asks no more is ended by the server (14 and later), and its slot with it. */
const SILENCE = '60s';

export async function watchTransactions(
  target: ConnectionTarget,
  applicationName: string,
  options: WatchOptions,
): Promise<TransactionWatch> {
  options.signal.throwIfAborted();
  const session = await openSession(target, {
    applicationName,
    readOnly: true,
    settings: { tcp_keepalives_idle: '15', tcp_keepalives_interval: '5', tcp_keepalives_count: '3' },
  });
  try {
    const { rows } = await session.query<{ version: string; pid: string }>(
      "SELECT current_setting('server_version_num') AS version, pg_backend_pid() AS pid",
    );
    const [{ version = '0', pid = '' } = {}] = rows;
    if (Number(version) >= 140_000) await session.query(`SET idle_session_timeout = '${SILENCE}'`);
    const slot = `dbps_observe_${randomBytes(6).toString('hex')}`;
    await createSlot(session, slot, pid, target, options.signal);
    return new PostgresTransactionWatch(session, slot, options);
  } catch (error) {
    await session.end().catch(() => undefined);
    throw error;
  }
}

/** Waits for every transaction that is open in the cluster: an abort cancels the wait. */
async function createSlot(
  session: pg.Client,
  slot: string,
  pid: string,
  target: ConnectionTarget,
  signal: AbortSignal,
): Promise<void> {
  const cancel = () => void cancelBackend(target, pid);
  signal.throwIfAborted();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await session.query(
      `SELECT pg_create_logical_replication_slot(${quoteLiteral(slot)}, 'test_decoding', true)`,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (sqlState(error) === '58P01')
      throw new DatabaseError({
        code: 'DBPS_E419',
        message: `${target.toString()}: the server has no test_decoding`,
        hint: "install the server's contrib package, or give a statement log: --log",
        cause: error,
      });
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function cancelBackend(target: ConnectionTarget, pid: string): Promise<void> {
  const other = await openSession(target, { applicationName: 'dbps' }).catch(() => null);
  await other?.query('SELECT pg_cancel_backend($1)', [pid]).catch(() => undefined);
  await other?.end().catch(() => undefined);
}

class PostgresTransactionWatch implements TransactionWatch {
  readonly made: string;
  #isClosed = false;
  readonly #open = new Set<RelationId>();
  #isOwn = false;

  constructor(
    private readonly session: pg.Client,
    private readonly slot: string,
    private readonly options: WatchOptions,
  ) {
    this.made = `temporary replication slot ${slot}`;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<readonly WatchedTransaction[]> {
    const { signal, pollMs = POLL_MS } = this.options;
    while (!this.#isClosed && !signal.aborted) {
      const { transactions, changes } = await described(this.#ask());
      yield transactions;
      if (changes < MOST_CHANGES) await pause(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Ends with the session in any case; dropped here so that it is gone when this returns.
    await this.session
      .query(`SELECT pg_drop_replication_slot(${quoteLiteral(this.slot)})`)
      .catch(() => undefined);
    await this.session.end().catch(() => undefined);
  }

  async #ask(): Promise<{ readonly transactions: readonly WatchedTransaction[]; readonly changes: number }> {
    const { rows } = await this.session.query<{ change: string }>(
      `SELECT left(data, ${LONGEST_NAME}) AS change
         FROM pg_logical_slot_get_changes(${quoteLiteral(this.slot)}, NULL, ${MOST_CHANGES}, 'include-xids', '0', 'skip-empty-xacts', '1')`,
    );
    const transactions: WatchedTransaction[] = [];
    for (const { change } of rows) {
      if (change === 'BEGIN') {
        this.#open.clear();
        this.#isOwn = false;
      } else if (change === 'COMMIT') {
        // dbps's own batches put together what applications wrote apart.
        if (this.#open.size > 0 && !this.#isOwn) transactions.push({ writes: [...this.#open].sort() });
      } else if (change.startsWith('table dbps.')) this.#isOwn = true;
      else for (const id of changedRelations(change)) this.#open.add(id);
    }
    return { transactions, changes: rows.length };
  }
}

const NAME = String.raw`(?:"(?:[^"]|"")*"|[^\s".,:]+)`;
const QUALIFIED = new RegExp(String.raw`(${NAME})\.(${NAME})`, 'y');

/** `table public.orders: UPDATE: …`, `table public.a, public.b: TRUNCATE: …`; names as the server quotes them. A name that was cut off is left out. */
export function changedRelations(change: string): readonly RelationId[] {
  if (!change.startsWith('table ')) return [];
  const found: RelationId[] = [];
  let at = 'table '.length;
  for (;;) {
    QUALIFIED.lastIndex = at;
    const match = QUALIFIED.exec(change);
    if (match === null) return found;
    const [whole, schema = '', name = ''] = match;
    at += whole.length;
    const isLast = change.startsWith(': ', at);
    if (!isLast && !change.startsWith(', ', at)) return found;
    found.push(relationId(unquoted(schema), unquoted(name)));
    if (isLast) return found;
    at += 2;
  }
}

const unquoted = (name: string): string =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
