/**
 * Reading what is there: ranges of the key, each in one statement and so on one snapshot, each at a known position of the log. Never
 * by ctid: every update moves a row there, and a row that moves between two chunks is seen twice or not at all
 * (docs/protocol.md, copy).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError } from '../../model/errors.js';
import type { RelationId } from '../../model/relation-id.js';
import type {
  CaptureObserver,
  Chunk,
  ChunkFormat,
  ChunkReader,
  Key,
  OpenOptions,
  RelationMap,
  Snapshot,
} from '../engine.js';
import { columnsOn, keyOn } from '../relation-sides.js';
import { isBinarySafe } from './postgres-binary-safety.js';
import { BULK_SETTINGS, CopySessions } from './postgres-copy-sessions.js';
import { CopyOut } from './postgres-copy-stream.js';
import { columnList, fromClause, keysCondition, rangeCondition } from './postgres-key-range.js';
import { planCuts } from './postgres-key-sample.js';
import { quoteRelation } from './postgres-sql.js';
import { readTextRows } from './postgres-text-rows.js';

export class PostgresSnapshot implements Snapshot {
  readonly formats: readonly ChunkFormat[] = ['postgres-binary', 'postgres-text', 'rows'];
  readonly #sessions: CopySessions;

  readonly #observer: Pick<CaptureObserver, 'currentPosition'> | undefined;

  /** @param observer whose positions the chunks' are; undefined: the log's. */
  constructor(
    target: ConnectionTarget,
    options: OpenOptions,
    observer?: Pick<CaptureObserver, 'currentPosition'>,
  ) {
    this.#observer = observer;
    this.#sessions = new CopySessions(target, { ...options, settings: BULK_SETTINGS, readOnly: true });
  }

  async chunkFormat(map: RelationMap, accepted: readonly ChunkFormat[]): Promise<ChunkFormat> {
    const isSame = map.columns.every((column) => column.sourceType === column.targetType);
    if (isSame && accepted.includes('postgres-binary')) {
      const isSafe = await this.#sessions.use((client) =>
        isBinarySafe(
          client,
          map.source,
          map.columns.map((c) => c.name),
        ),
      );
      if (isSafe) return 'postgres-binary';
    }
    return accepted.includes('postgres-text') ? 'postgres-text' : 'rows';
  }

  async planChunks(map: RelationMap, rowsPerChunk: number, signal?: AbortSignal): Promise<readonly Chunk[]> {
    return this.#sessions.use((client) => planCuts(client, map, 'source', rowsPerChunk), signal);
  }

  /**
   * An identifier above that of every transaction now running. Not `pg_current_snapshot()`: its xmax is one above the last *completed*
   * transaction, so that a running one may bear that very number, or a higher one, and would not be waited for.
   */
  async currentSnapshot(): Promise<string> {
    return this.#sessions.use((client) => one(client, 'SELECT pg_current_xact_id()::text AS value'));
  }

  /** A commit that capture will not deliver may still be invisible: it has its place in the log but waits for its standby. */
  async waitUntilVisible(since: string, signal?: AbortSignal): Promise<void> {
    await this.#sessions.use(async (client) => {
      for (let pause = 5; ; pause = Math.min(pause * 2, 500)) {
        const { rows } = await client.query<{ passed: string }>(
          'SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 AS passed',
          [since],
        );
        if (rows[0]?.passed === 't') return;
        await sleep(pause, undefined, { signal });
      }
    }, signal);
  }

  async readChunk(
    map: RelationMap,
    chunk: Chunk,
    format: ChunkFormat,
    signal?: AbortSignal,
  ): Promise<ChunkReader> {
    return this.#read(map, format, rangeCondition(chunk, keyOn(map, 'source')), signal);
  }

  async readKeys(
    map: RelationMap,
    keys: readonly Key[],
    format: ChunkFormat,
    signal?: AbortSignal,
  ): Promise<ChunkReader> {
    return this.#read(map, format, keysCondition(keys, keyOn(map, 'source')), signal);
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #read(
    map: RelationMap,
    format: ChunkFormat,
    condition: string,
    signal?: AbortSignal,
  ): Promise<ChunkReader> {
    signal?.throwIfAborted();
    const client = await this.#sessions.acquire();
    try {
      const kind = await relationKind(client, map.source);
      const columns = columnList(columnsOn(map, 'source'));
      // A plain table as a whole: COPY scans it without the executor in between.
      const what =
        condition === 'true' && kind !== 'p'
          ? `${quoteRelation(map.source)} (${columns})`
          : `(SELECT ${columns} FROM ${fromClause(map.source, kind)} WHERE ${condition})`;
      const copy = client.query(new CopyOut(`COPY ${what} TO STDOUT (FORMAT ${formatName(format)})`));
      return new CopyReader(format, copy, client, this.#sessions, this.#observer, signal);
    } catch (error) {
      this.#sessions.destroy(client);
      throw error;
    }
  }
}

class CopyReader implements ChunkReader {
  readonly data: ChunkReader['data'];
  readonly #abort = () => this.#end((client) => this.sessions.interrupt(client));
  #finished: Promise<{ position: string; rows: number }> | undefined;
  #isOpen = true;

  constructor(
    readonly format: ChunkFormat,
    readonly copy: CopyOut,
    readonly client: pg.Client,
    readonly sessions: CopySessions,
    readonly observer: Pick<CaptureObserver, 'currentPosition'> | undefined,
    readonly signal?: AbortSignal,
  ) {
    this.data = format === 'rows' ? readTextRows(copy) : copy;
    signal?.addEventListener('abort', this.#abort, { once: true });
    if (signal?.aborted === true) this.#abort();
  }

  finish(): Promise<{ readonly position: string; readonly rows: number }> {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  async #finish(): Promise<{ position: string; rows: number }> {
    try {
      const rows = await this.copy.done;
      // The insert position, not the flushed one: rows of an asynchronous commit are visible before the log reaches the disk.
      const position =
        this.observer === undefined
          ? await one(this.client, 'SELECT pg_current_wal_insert_lsn()::text AS value')
          : await this.observer.currentPosition();
      this.#end((client) => this.sessions.release(client));
      return { position, rows };
    } catch (error) {
      await this.cancel();
      this.signal?.throwIfAborted();
      throw error;
    }
  }

  async cancel(): Promise<void> {
    this.#end((client) => this.sessions.destroy(client));
  }

  #end(how: (client: pg.Client) => void): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.signal?.removeEventListener('abort', this.#abort);
    how(this.client);
  }
}

export function formatName(format: ChunkFormat): 'binary' | 'text' {
  if (format === 'postgres-binary') return 'binary';
  if (format === 'postgres-text' || format === 'rows') return 'text';
  throw new RangeError(`PostgreSQL does not speak ${format}`);
}

export async function relationKind(
  client: Pick<pg.ClientBase, 'query'>,
  relation: RelationId,
): Promise<string> {
  const { rows } = await client.query<{ relkind: string }>(
    'SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)',
    [quoteRelation(relation)],
  );
  const kind = rows[0]?.relkind;
  if (kind === undefined)
    throw new DatabaseError({
      code: 'DBPS_E410',
      message: `${relation} does not exist any more`,
      hint: 'dbps plan diff',
    });
  return kind;
}

async function one(client: Pick<pg.ClientBase, 'query'>, sql: string): Promise<string> {
  const { rows } = await client.query<{ value: string }>(sql);
  return rows[0]?.value ?? '';
}
