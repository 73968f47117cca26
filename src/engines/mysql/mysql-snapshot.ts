/**
 * Reading what is there: ranges of the key, each in one statement and so in one read view, each at a known position of the log. No lock is
 * taken, no transaction stays open: what changes between two chunks arrives by the log (docs/protocol.md, copy).
 */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { InterruptedError } from '../../model/errors.js';
import type {
  CaptureObserver,
  Chunk,
  ChunkFormat,
  ChunkReader,
  Key,
  OpenOptions,
  Position,
  RelationMap,
  Snapshot,
  Value,
} from '../engine.js';
import { queryable } from './mysql-connection.js';
import { columnsOn, keyOn } from '../relation-sides.js';
import { BulkSessions, type BulkSession } from './mysql-bulk-sessions.js';
import { described, describeError } from './mysql-errors.js';
import { keysCondition, rangeCondition } from './mysql-key-range.js';
import { keyIndexHint, planCuts } from './mysql-key-sample.js';
import { LoadLines, RowStream, TextRows } from './mysql-row-stream.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';
import { fromBytes, loadSql, mysqlType } from './mysql-values.js';
import { currentTransactions, waitUntilOver } from './mysql-visibility.js';

/** Keys looked up in one statement; more are read in several, one after the other. */
const KEYS_AT_ONCE = 500;

export class MysqlSnapshot implements Snapshot {
  readonly formats: readonly ChunkFormat[] = ['mysql-load', 'rows'];
  readonly #sessions: BulkSessions;
  /** By relation and key: looked up once. */
  readonly #hints = new Map<string, string>();

  /** @param observer says where the log (or the change table) stands, which a chunk's position is. */
  constructor(
    target: ConnectionTarget,
    options: OpenOptions,
    readonly observer: Pick<CaptureObserver, 'currentPosition'>,
  ) {
    this.#sessions = new BulkSessions(target, { ...options, readOnly: true });
  }

  async chunkFormat(map: RelationMap, accepted: readonly ChunkFormat[]): Promise<ChunkFormat> {
    return accepted.includes('mysql-load') && map.columns.every(isLoadedAsRead) ? 'mysql-load' : 'rows';
  }

  async planChunks(map: RelationMap, rowsPerChunk: number, signal?: AbortSignal): Promise<readonly Chunk[]> {
    return described(
      this.#sessions.use(
        (session) => planCuts(queryable(session.connection), map, 'source', rowsPerChunk, signal),
        signal,
      ),
    );
  }

  async currentSnapshot(): Promise<string> {
    return described(this.#sessions.use((session) => currentTransactions(queryable(session.connection))));
  }

  async waitUntilVisible(since: string, signal?: AbortSignal): Promise<void> {
    await this.#sessions.use(
      (session) => waitUntilOver(queryable(session.connection), since, signal),
      signal,
    );
  }

  async readChunk(
    map: RelationMap,
    chunk: Chunk,
    format: ChunkFormat,
    signal?: AbortSignal,
  ): Promise<ChunkReader> {
    return described(this.#read(map, format, [rangeCondition(chunk, keyOn(map, 'source'))], signal));
  }

  async readKeys(
    map: RelationMap,
    keys: readonly Key[],
    format: ChunkFormat,
    signal?: AbortSignal,
  ): Promise<ChunkReader> {
    const conditions: string[] = [];
    for (let at = 0; at < keys.length; at += KEYS_AT_ONCE)
      conditions.push(keysCondition(keys.slice(at, at + KEYS_AT_ONCE), keyOn(map, 'source')));
    return described(this.#read(map, format, conditions, signal));
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #read(
    map: RelationMap,
    format: ChunkFormat,
    conditions: readonly string[],
    signal?: AbortSignal,
  ): Promise<ChunkReader> {
    if (format !== 'mysql-load' && format !== 'rows') throw new RangeError(`MySQL does not speak ${format}`);
    signal?.throwIfAborted();
    const session = await this.#sessions.acquire();
    try {
      const columns = columnsOn(map, 'source');
      const what = columns.map((column) => loadSql(column.type, quoteIdentifier(column.name)));
      const from = `${quoteRelation(map.source)}${await this.#hint(session, map)}`;
      const statements = conditions.map(
        (condition) => `SELECT ${what.join(', ')} FROM ${from} WHERE ${condition}`,
      );
      const open = (sql: string) =>
        format === 'rows'
          ? new RowStream(
              session.connection,
              sql,
              new TextRows(columns.map((column) => fromBytes(column.type))),
            )
          : new RowStream(session.connection, sql, new LoadLines());
      return new MysqlChunkReader(format, statements, open, {
        position: () => this.observer.currentPosition(),
        release: () => this.#sessions.release(session),
        destroy: () => this.#sessions.interrupt(session, stopped()),
        ...(signal !== undefined && { signal }),
      });
    } catch (error) {
      await this.#sessions.interrupt(session, error);
      throw error;
    }
  }

  async #hint(session: BulkSession, map: RelationMap): Promise<string> {
    const id = JSON.stringify([map.source, map.key]);
    const known = this.#hints.get(id);
    if (known !== undefined) return known;
    const hint = await keyIndexHint(queryable(session.connection), map.source, keyOn(map, 'source'));
    this.#hints.set(id, hint);
    return hint;
  }
}

/** What the server sends for one means the same to the other: the kinds are the same (`int` and `bigint`, `char` and `text`). */
function isLoadedAsRead(column: { readonly sourceType: string; readonly targetType: string }): boolean {
  return mysqlType(column.sourceType).kind === mysqlType(column.targetType).kind;
}

type Batch = Buffer | readonly (readonly Value[])[];

interface ReaderSession {
  readonly signal?: AbortSignal;
  position(): Promise<Position>;
  release(): void;
  destroy(): Promise<void>;
}

/** Statements one after the other on one session; their rows are one chunk. */
class MysqlChunkReader implements ChunkReader {
  readonly data: AsyncIterable<Batch>;
  readonly #abort = () => void this.cancel();
  #stream: RowStream<Batch> | null = null;
  #rows = 0;
  #isDone = false;
  #isOpen = true;
  #finished: Promise<{ position: Position; rows: number }> | undefined;

  constructor(
    readonly format: ChunkFormat,
    readonly statements: readonly string[],
    readonly open: (sql: string) => RowStream<Batch>,
    readonly session: ReaderSession,
  ) {
    this.data = this.#read();
    session.signal?.addEventListener('abort', this.#abort, { once: true });
    if (session.signal?.aborted === true) this.#abort();
  }

  async *#read(): AsyncGenerator<Batch> {
    for (const sql of this.statements) {
      this.#throwIfOver();
      this.#stream = this.open(sql);
      try {
        yield* this.#stream;
        this.#rows += await this.#stream.done;
      } catch (error) {
        throw describeError(error) ?? error;
      }
    }
    this.#isDone = true;
  }

  finish(): Promise<{ readonly position: Position; readonly rows: number }> {
    this.#finished ??= described(this.#finish());
    return this.#finished;
  }

  async #finish(): Promise<{ position: Position; rows: number }> {
    try {
      for await (const _rest of this.data);
      if (!this.#isDone) throw stopped();
      // After the read: whatever it saw was in the log before it could be seen.
      const position = await this.session.position();
      if (this.#close()) this.session.release();
      return { position, rows: this.#rows };
    } catch (error) {
      await this.cancel();
      this.session.signal?.throwIfAborted();
      throw error;
    }
  }

  async cancel(): Promise<void> {
    if (!this.#close()) return;
    // Its session is taken away without a word to whoever waits for rows.
    this.#stream?.fail(stopped());
    await this.session.destroy();
  }

  #throwIfOver(): void {
    this.session.signal?.throwIfAborted();
    if (!this.#isOpen) throw stopped();
  }

  /** @returns false when it was closed before. */
  #close(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.session.signal?.removeEventListener('abort', this.#abort);
    return true;
  }
}

function stopped(): InterruptedError {
  return new InterruptedError({ code: 'DBPS_E501', message: 'reading a chunk was stopped' });
}
