/**
 * The half of the sink that writes what was there: chunks of a relation, and single rows that replay could not make whole. A chunk, its
 * mark and its progress are one transaction, which begins with the epoch: a chunk is there entirely or not at all, is never written twice, and
 * a dead runner's late chunk is refused (docs/protocol.md, copy).
 */
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { InternalError } from '../../model/errors.js';
import type {
  Chunk,
  ChunkFormat,
  ChunkReader,
  CopyProgress,
  Direction,
  Key,
  OpenOptions,
  Ownership,
  RecordedChunk,
  RelationMap,
} from '../engine.js';
import { columnsOn, keyOn } from '../relation-sides.js';
import { lockEpoch, type SessionPool } from './postgres-connection.js';
import { PostgresControl } from './postgres-control.js';
import { BULK_SETTINGS, CopySessions } from './postgres-copy-sessions.js';
import { CopyIn } from './postgres-copy-stream.js';
import { columnList, keysCondition } from './postgres-key-range.js';
import { formatName, relationKind } from './postgres-snapshot.js';
import { quoteRelation } from './postgres-sql.js';
import { textRows } from './postgres-text-rows.js';

interface ChunkRow {
  index: string;
  key_from: string | null;
  key_to: string | null;
  estimated_rows: string;
  is_done: string;
}

export class PostgresCopyWriter {
  readonly formats: readonly ChunkFormat[] = ['postgres-binary', 'postgres-text', 'rows'];
  readonly #sessions: CopySessions;

  /** @param pool for bookkeeping; chunks go over sessions of their own. */
  constructor(
    readonly owner: Ownership,
    readonly pool: SessionPool,
    target: ConnectionTarget,
    options: OpenOptions,
    /** Chunks travel forward; single rows are read again in either direction. */
    readonly direction: Direction = 'forward',
  ) {
    this.#sessions = new CopySessions(target, { ...options, settings: BULK_SETTINGS }, actAsReplica);
  }

  async writeChunk(
    map: RelationMap,
    chunk: Chunk,
    reader: ChunkReader,
    signal?: AbortSignal,
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    return this.#owned(reader, signal, async (client) => {
      const id = [this.owner.service, map.source, chunk.index];
      // First of all changes: it marks the transaction as dbps's own, and a second writer of the same chunk waits here.
      const claimed = await client.query(
        `UPDATE dbps.chunk SET is_done = true WHERE service = $1 AND relation = $2 AND index = $3 AND NOT is_done`,
        id,
      );
      if (claimed.rowCount === 0) {
        const { rowCount } = await client.query(
          'SELECT FROM dbps.chunk WHERE service = $1 AND relation = $2 AND index = $3',
          id,
        );
        if (rowCount === 0)
          throw new InternalError({
            code: 'DBPS_E901',
            message: `chunk ${chunk.index} of ${map.source} was never recorded`,
          });
        await reader.cancel();
        return { rows: 0, bytes: 0 };
      }
      const written = await copyIn(client, map, reader);
      await client.query(
        `UPDATE dbps.chunk SET rows = $4, bytes = $5, position = $6 WHERE service = $1 AND relation = $2 AND index = $3`,
        [...id, written.rows, written.bytes, written.position],
      );
      return { rows: written.rows, bytes: written.bytes };
    });
  }

  /** Rows of heal keys as they are in the source now; keys that have gone there go here too. */
  async healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void> {
    await this.#owned(reader, undefined, async (client) => {
      await this.#mark(client);
      await client.query(
        `DELETE FROM ${quoteRelation(map.target)} WHERE ${keysCondition(keys, keyOn(map, 'target'))}`,
      );
      const { position } = await copyIn(client, map, reader);
      await client.query(
        'UPDATE dbps.checkpoint SET heal_position = $3 WHERE service = $1 AND direction = $2',
        [this.owner.service, this.direction, position],
      );
      await client.query(
        'DELETE FROM dbps.heal_key WHERE service = $1 AND relation = $2 AND key = ANY ($3::jsonb[])',
        [this.owner.service, map.source, keys.map((key) => JSON.stringify(key))],
      );
    });
  }

  async copyProgress(): Promise<readonly CopyProgress[]> {
    return new PostgresControl(this.pool).readCopyProgress(this.owner.service);
  }

  async recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]> {
    return this.pool.use((client) => this.#recorded(client, map));
  }

  async recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]> {
    return this.pool.ownedTransaction(this.owner, async (client) => {
      const recorded = await this.#recorded(client, map);
      if (recorded.length > 0) return recorded;
      await client.query(
        `INSERT INTO dbps.chunk (service, relation, index, key_from, key_to, estimated_rows)
         SELECT $1, $2, c.index, c."from", c."to", c."estimatedRows"
           FROM jsonb_to_recordset($3) AS c (index integer, "from" jsonb, "to" jsonb, "estimatedRows" bigint)`,
        [this.owner.service, map.source, JSON.stringify(chunks)],
      );
      return this.#recorded(client, map);
    });
  }

  async analyze(map: RelationMap): Promise<void> {
    await this.pool.ownedTransaction(this.owner, (client) =>
      client.query(`ANALYZE ${quoteRelation(map.target)}`),
    );
  }

  async resetRelation(map: RelationMap): Promise<void> {
    const client = await this.#sessions.acquire();
    try {
      await client.query('BEGIN');
      await lockEpoch(client, this.owner);
      await this.#mark(client);
      await client.query('DELETE FROM dbps.chunk WHERE service = $1 AND relation = $2', [
        this.owner.service,
        map.source,
      ]);
      const kind = await relationKind(client, map.target);
      const only = kind === 'p' ? '' : 'ONLY ';
      await client.query('SAVEPOINT emptying');
      try {
        await client.query(`TRUNCATE ${only}${quoteRelation(map.target)}`);
      } catch (error) {
        // Referenced by a foreign key (0A000), or not allowed (42501): row by row, then.
        const { code } = error as { code?: string };
        if (code !== '0A000' && code !== '42501') throw error;
        await client.query('ROLLBACK TO emptying');
        await client.query(`DELETE FROM ${only}${quoteRelation(map.target)}`);
      }
      await client.query('COMMIT');
      this.#sessions.release(client);
    } catch (error) {
      this.#sessions.destroy(client);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  /** A transaction of the lease's holder on a bulk session; whatever ends it early ends the reader too. */
  async #owned<T>(
    reader: ChunkReader,
    signal: AbortSignal | undefined,
    work: (client: pg.Client) => Promise<T>,
  ): Promise<T> {
    let client: pg.Client | undefined;
    const abort = () => {
      if (client !== undefined) this.#sessions.interrupt(client);
      void reader.cancel();
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      client = await this.#sessions.acquire();
      signal?.throwIfAborted();
      await client.query('BEGIN');
      await lockEpoch(client, this.owner);
      const result = await work(client);
      signal?.throwIfAborted();
      await client.query('COMMIT');
      this.#sessions.release(client);
      return result;
    } catch (error) {
      await reader.cancel();
      if (client !== undefined) {
        const isRolledBack = await client.query('ROLLBACK').then(
          () => true,
          () => false,
        );
        if (isRolledBack) this.#sessions.release(client);
        else this.#sessions.destroy(client);
      }
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Begins the transaction with a change of the checkpoint table: the opposite direction drops it as dbps's own. */
  async #mark(client: pg.ClientBase): Promise<void> {
    const { rowCount } = await client.query(
      'UPDATE dbps.checkpoint SET mark = mark + 1 WHERE service = $1 AND direction = $2',
      [this.owner.service, this.direction],
    );
    if (rowCount === 0)
      throw new InternalError({
        code: 'DBPS_E901',
        message: `${this.owner.service} has no checkpoint: rows cannot be marked as dbps's own`,
      });
  }

  async #recorded(client: Pick<pg.ClientBase, 'query'>, map: RelationMap): Promise<readonly RecordedChunk[]> {
    const { rows } = await client.query<ChunkRow>(
      `SELECT index, key_from, key_to, estimated_rows, is_done FROM dbps.chunk
        WHERE service = $1 AND relation = $2 ORDER BY index`,
      [this.owner.service, map.source],
    );
    return rows.map((row) => ({
      relation: map.source,
      index: Number(row.index),
      from: row.key_from === null ? null : (JSON.parse(row.key_from) as string[]),
      to: row.key_to === null ? null : (JSON.parse(row.key_to) as string[]),
      estimatedRows: Number(row.estimated_rows),
      isDone: row.is_done === 't',
    }));
  }
}

/** Triggers and foreign keys rest while dbps writes. Where the role may not say so, the fence and the bare tables must do. */
async function actAsReplica(client: pg.Client): Promise<void> {
  await client.query('SET session_replication_role = replica').catch((error: { code?: string }) => {
    if (error.code !== '42501') throw error;
  });
}

/** @returns what both ends agree to have moved, and where the source's log stood after the read. */
async function copyIn(
  client: pg.Client,
  map: RelationMap,
  reader: ChunkReader,
): Promise<{ rows: number; bytes: number; position: string }> {
  const columns = columnList(columnsOn(map, 'target'));
  const copy = client.query(
    new CopyIn(
      `COPY ${quoteRelation(map.target)} (${columns}) FROM STDIN (FORMAT ${formatName(reader.format)})`,
    ),
  );
  try {
    for await (const piece of reader.data) await copy.write(Buffer.isBuffer(piece) ? piece : textRows(piece));
    const rows = await copy.end();
    const read = await reader.finish();
    if (read.rows !== rows)
      throw new InternalError({
        code: 'DBPS_E901',
        message: `${map.source}: ${read.rows} rows were read but ${rows} written`,
      });
    return { rows, bytes: copy.bytes, position: read.position };
  } catch (error) {
    await copy.fail('the reader ended early');
    throw error;
  }
}
