/**
 * Which relations are written in one transaction, while it lasts: a reader of the binary log, as a replica would be, from where the log ends now. A
 * transaction lies there whole, from the moment it is committed, so none that is open has to be waited for, and the server keeps nothing for a reader:
 * when its connection ends, nothing is left. Only the tables that row events name are read, never a row's image, so no value is looked at.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError, RefusedError } from '../../model/errors.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { TransactionWatch, WatchedTransaction, WatchOptions } from '../usage.js';
import { BinlogReader, type PlacedEvent } from './mysql-binlog-reader.js';
import type { MysqlPool } from './mysql-connection.js';
import { described, isDenied } from './mysql-errors.js';
import {
  EVENT,
  readLoadQuery,
  readQuery,
  readTableName,
  rowsKind,
  rowsTableId,
  type LoggedStatement,
} from './mysql-log-event.js';
import { assessLogSettings, readLogHead, readLogSettings } from './mysql-log-settings.js';
import { readLogStatement } from './mysql-log-statement.js';

const POLL_MS = 1000;
/** Transactions handed out at once. */
const MOST_TRANSACTIONS = 20_000;
const CONTROL_SCHEMA = 'dbps';
const LATER = Symbol('nothing yet');

/** @throws RefusedError where the log does not say which tables a transaction wrote, DatabaseError where the account may not read it. */
export async function watchTransactions(
  pool: MysqlPool,
  target: ConnectionTarget,
  applicationName: string,
  options: WatchOptions,
): Promise<TransactionWatch> {
  options.signal.throwIfAborted();
  const settings = await readLogSettings(pool);
  // Names of tables are all that is read: rows in part, and JSON as differences, are as good.
  const [problem] = assessLogSettings({ ...settings, rowImage: 'FULL', rowValueOptions: '' });
  if (problem !== undefined) throw unwatchable(target, problem.problem, problem.remedy);
  try {
    const head = await readLogHead(pool, settings);
    if (head === null)
      throw unwatchable(
        target,
        'the server writes no binary log (log_bin is OFF)',
        'set log_bin and restart the server',
      );
    const { onlyDatabases: only, ignoredDatabases: ignored } = head;
    if (ignored.includes(target.database) || (only.length > 0 && !only.includes(target.database)))
      throw unwatchable(
        target,
        `changes of database ${target.database} are left out (binlog_do_db or binlog_ignore_db)`,
        'take the filter out of the configuration, and restart the server',
      );
    const reader = await BinlogReader.open(target, applicationName, head);
    return new MysqlTransactionWatch(
      reader,
      target,
      settings.foldsCase,
      options,
      `reader of the binary log from ${head.file}:${head.offset}; the server keeps nothing for it`,
    );
  } catch (error) {
    if (!isDenied((error as Error).cause ?? error) && !isDenied(error)) throw error;
    throw new DatabaseError({
      code: 'DBPS_E405',
      message: `${target.toString()}: ${(error as Error).message}`,
      hint: 'GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account of dbps; or give a statement log: --log',
      cause: error,
    });
  }
}

class MysqlTransactionWatch implements TransactionWatch {
  #isClosed = false;
  readonly #tables = new Map<number, { readonly schema: string; readonly id: RelationId }>();
  readonly #open = new Set<RelationId>();
  /** It wrote to the database that is watched. */
  #isHere = false;
  #isOwn = false;
  #hasBegun = false;

  constructor(
    private readonly reader: BinlogReader,
    private readonly target: ConnectionTarget,
    private readonly foldsCase: boolean,
    private readonly options: WatchOptions,
    readonly made: string,
  ) {
    options.signal.addEventListener('abort', this.#abort, { once: true });
    if (options.signal.aborted) this.#abort();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<readonly WatchedTransaction[]> {
    const { signal, pollMs = POLL_MS } = this.options;
    let waiting: Promise<PlacedEvent | null> | null = null;
    while (!this.#isClosed && !signal.aborted) {
      const found: WatchedTransaction[] = [];
      const until = Date.now() + pollMs;
      while (found.length < MOST_TRANSACTIONS && Date.now() < until) {
        const next: PlacedEvent | null | Promise<PlacedEvent | null> = waiting ?? this.reader.take();
        let event: PlacedEvent | null;
        if (next instanceof Promise) {
          // One question at a time: what did not come in this interval is waited for in the next.
          waiting = next;
          const came = await described(waitFor(next, until - Date.now()));
          if (came === LATER) break;
          waiting = null;
          event = came;
        } else event = next;
        if (event === null) return;
        this.#take(event, found);
      }
      yield found;
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.options.signal.removeEventListener('abort', this.#abort);
    await this.reader.close();
  }

  readonly #abort = (): void => {
    void this.close();
  };

  #take(event: PlacedEvent, found: WatchedTransaction[]): void {
    if (rowsKind(event.type) !== null || event.type === EVENT.partialUpdateRows) {
      const table = this.#tables.get(rowsTableId(event.body));
      if (table !== undefined) this.#write(table.schema, table.id);
      return;
    }
    switch (event.type) {
      case EVENT.tableMap: {
        const { id, schema, name } = readTableName(event.body);
        this.#tables.set(id, { schema, id: relationId(schema, name) });
        return;
      }
      case EVENT.gtid:
      case EVENT.taggedGtid:
      case EVENT.anonymousGtid:
      case EVENT.mariadbGtid:
        this.#forget();
        return;
      case EVENT.query:
      case EVENT.queryCompressed:
        this.#takeStatement(readQuery(event.body, event.type === EVENT.queryCompressed), found);
        return;
      case EVENT.executeLoadQuery:
        this.#takeStatement(readLoadQuery(event.body), found);
        return;
      case EVENT.xid:
      case EVENT.xaPrepare:
        this.#end(found);
        return;
      case EVENT.transactionPayload:
        throw unwatchable(
          this.target,
          'a transaction is compressed as a whole',
          'SET GLOBAL binlog_transaction_compression = OFF, and in sessions that set it',
        );
      default:
    }
  }

  #takeStatement(statement: LoggedStatement, found: WatchedTransaction[]): void {
    const read = readLogStatement(statement, this.foldsCase);
    switch (read.kind) {
      case 'begin':
        this.#forget();
        this.#hasBegun = true;
        return;
      case 'commit':
        this.#end(found);
        return;
      case 'rollback':
        this.#forget();
        return;
      case 'truncate':
        for (const id of read.relations) this.#write(statement.schema, id);
        if (!this.#hasBegun) this.#end(found);
        return;
      case 'write':
        if (statement.schema === this.target.database || read.names.includes(this.target.database))
          throw unwatchable(
            this.target,
            'a session with binlog_format = STATEMENT or MIXED writes statements instead of rows',
            'SET GLOBAL binlog_format = ROW, and let applications connect anew; or give a statement log: --log',
          );
        return;
      default:
    }
  }

  #write(schema: string, id: RelationId): void {
    if (schema === CONTROL_SCHEMA) this.#isOwn = true;
    else this.#open.add(id);
    this.#isHere ||= schema === this.target.database;
  }

  #end(found: WatchedTransaction[]): void {
    // dbps's own batches put together what applications wrote apart.
    if (this.#isHere && !this.#isOwn && this.#open.size > 0) found.push({ writes: [...this.#open].sort() });
    this.#forget();
    this.#tables.clear();
  }

  #forget(): void {
    this.#open.clear();
    this.#isHere = false;
    this.#isOwn = false;
    this.#hasBegun = false;
  }
}

/** @returns LATER when nothing has come by then; the promise goes on. */
async function waitFor<T>(promise: Promise<T>, ms: number): Promise<T | typeof LATER> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise,
      pause(Math.max(0, ms), LATER, { signal: timer.signal }).catch((): typeof LATER => LATER),
    ]);
  } finally {
    timer.abort();
  }
}

function unwatchable(target: ConnectionTarget, problem: string, remedy: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E359',
    message: `transactions of ${target.toString()} cannot be watched: ${problem}`,
    hint: remedy,
  });
}
