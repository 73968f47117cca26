/**
 * The half of the sink that writes what was there: chunks of a relation, and single rows that replay could not make whole. A chunk, its
 * mark and its progress are one transaction, which begins with the epoch: a chunk is there entirely or not at all, is never written twice, and
 * a dead runner's late chunk is refused (docs/protocol.md, copy).
 */
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { InternalError } from '../../model/errors.js';
import type {
  Chunk,
  ChunkFormat,
  ChunkReader,
  CopyProgress,
  Key,
  OpenOptions,
  Ownership,
  Position,
  RecordedChunk,
  RelationMap,
  Value,
} from '../engine.js';
import { BulkSessions, WRITING } from './mysql-bulk-sessions.js';
import { lockMysqlEpoch, queryable, type MysqlPool } from './mysql-connection.js';
import { MysqlControl } from './mysql-control.js';
import { MysqlHealKeys } from './mysql-key-set.js';
import { linesOf, loadData } from './mysql-load-data.js';
import { readTargetTable, type TargetTable } from './mysql-sink-table.js';
import { MysqlWindowWriter } from './mysql-sink-window.js';
import { quoteRelation } from './mysql-sql.js';

/** Rows deleted in one transaction when a relation is emptied. */
const DELETED_AT_ONCE = 20_000;

export class MysqlCopyWriter {
  readonly #sessions: BulkSessions;

  /**
   * @param pool for bookkeeping; chunks go over sessions of their own.
   * @param mayLoad the server lets clients send files (local_infile).
   */
  constructor(
    readonly owner: Ownership,
    readonly pool: MysqlPool,
    target: ConnectionTarget,
    options: OpenOptions,
    readonly mayLoad: boolean,
  ) {
    this.#sessions = new BulkSessions(target, { ...options, settings: WRITING });
  }

  get formats(): readonly ChunkFormat[] {
    return this.mayLoad ? ['mysql-load', 'rows'] : ['rows'];
  }

  async writeChunk(
    map: RelationMap,
    chunk: Chunk,
    reader: ChunkReader,
    signal?: AbortSignal,
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    return this.#owned(reader, signal, async (session) => {
      const id = [this.owner.service, map.source, chunk.index];
      // First of all changes: it marks the transaction as dbps's own, and a second writer of the same chunk waits here.
      const [claimed] = await session.query<mysql.ResultSetHeader>(
        'UPDATE dbps.chunk SET is_done = true WHERE service = ? AND relation = ? AND `index` = ? AND NOT is_done',
        id,
      );
      if (claimed.affectedRows === 0) {
        const recorded = await queryable(session).query({
          sql: 'SELECT 1 FROM dbps.chunk WHERE service = ? AND relation = ? AND `index` = ?',
          values: id,
        });
        if (recorded.length === 0)
          throw new InternalError({
            code: 'DBPS_E901',
            message: `chunk ${chunk.index} of ${map.source} was never recorded`,
          });
        await reader.cancel();
        return { rows: 0, bytes: 0 };
      }
      const written = await this.#copyIn(session, await readTargetTable(session, map), reader);
      await session.query(
        'UPDATE dbps.chunk SET `rows` = ?, bytes = ?, position = ? WHERE service = ? AND relation = ? AND `index` = ?',
        [written.rows, written.bytes, written.position, ...id],
      );
      return { rows: written.rows, bytes: written.bytes };
    });
  }

  /** Rows of heal keys as they are in the source now; keys that have gone there go here too. */
  async healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void> {
    await this.#owned(reader, undefined, async (session) => {
      await this.#mark(session);
      const table = await readTargetTable(session, map);
      await new MysqlWindowWriter(session, new Map([[map, table]])).deleteKeys(table, keys);
      const { position } = await this.#copyIn(session, table, reader);
      await session.query(
        "UPDATE dbps.checkpoint SET heal_position = ? WHERE service = ? AND direction = 'forward'",
        [position, this.owner.service],
      );
      await new MysqlHealKeys(this.pool, this.owner).removeWith(session, map, keys);
    });
  }

  async copyProgress(): Promise<readonly CopyProgress[]> {
    return new MysqlControl(this.pool).readCopyProgress(this.owner.service);
  }

  async recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]> {
    return this.pool.use((session) => this.#recorded(session, map));
  }

  async recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]> {
    return this.pool.ownedTransaction(this.owner, async (session) => {
      const recorded = await this.#recorded(session, map);
      if (recorded.length > 0) return recorded;
      const rows = chunks.map((chunk) => [
        this.owner.service,
        map.source,
        chunk.index,
        chunk.from === null ? null : JSON.stringify(chunk.from),
        chunk.to === null ? null : JSON.stringify(chunk.to),
        Math.round(chunk.estimatedRows),
      ]);
      for (let at = 0; at < rows.length; at += 500)
        await session.query(
          'INSERT INTO dbps.chunk (service, relation, `index`, key_from, key_to, estimated_rows) VALUES ?',
          [rows.slice(at, at + 500)],
        );
      return this.#recorded(session, map);
    });
  }

  /** DDL of this dialect commits by itself, so the epoch is looked at before, not in its transaction: statistics hurt nobody. */
  async analyze(map: RelationMap): Promise<void> {
    await this.pool.ownedTransaction(this.owner, async () => undefined);
    await this.pool.query(`ANALYZE NO_WRITE_TO_BINLOG TABLE ${quoteRelation(map.target)}`);
  }

  /**
   * Not by TRUNCATE, which is DDL: it would commit by itself, and stand in the log as somebody else's. In pieces: nothing counts as copied
   * from the first of them on, and the plan of the chunks goes with the last.
   */
  async resetRelation(map: RelationMap): Promise<void> {
    const id = [this.owner.service, map.source];
    await this.#sessions.use(async ({ connection }) => {
      const owned = async (work: () => Promise<number>): Promise<number> => {
        await connection.query('START TRANSACTION');
        await lockMysqlEpoch(connection, this.owner);
        await this.#mark(connection);
        const done = await work();
        await connection.query('COMMIT');
        return done;
      };
      await owned(() =>
        affected(
          connection,
          'UPDATE dbps.chunk SET is_done = false, `rows` = 0, bytes = 0, position = NULL WHERE service = ? AND relation = ?',
          id,
        ),
      );
      const rows = `DELETE FROM ${quoteRelation(map.target)} LIMIT ${DELETED_AT_ONCE}`;
      while ((await owned(() => affected(connection, rows))) === DELETED_AT_ONCE);
      await owned(() =>
        affected(connection, 'DELETE FROM dbps.chunk WHERE service = ? AND relation = ?', id),
      );
    });
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  /** @returns what both ends agree to have moved, and where the source's log stood after the read. */
  async #copyIn(
    session: mysql.Connection,
    table: TargetTable,
    reader: ChunkReader,
  ): Promise<{ rows: number; bytes: number; position: Position }> {
    let bytes = 0;
    let rows = 0;
    if (this.mayLoad) {
      const lines = async function* (): AsyncGenerator<Buffer> {
        for await (const batch of reader.data) {
          const buffer = Buffer.isBuffer(batch) ? batch : linesOf(table, batch);
          bytes += buffer.length;
          yield buffer;
        }
      };
      rows = await loadData(session, table, lines());
    } else {
      const writer = new MysqlWindowWriter(session, new Map([[table.map, table]]));
      for await (const batch of reader.data) {
        const values = batch as readonly (readonly Value[])[];
        rows += await writer.insertRows(table, values);
        bytes += sizeOf(values);
      }
    }
    const read = await reader.finish();
    if (read.rows !== rows)
      throw new InternalError({
        code: 'DBPS_E901',
        message: `${table.map.source}: ${read.rows} rows were read but ${rows} written`,
      });
    return { rows, bytes, position: read.position };
  }

  /** A transaction of the lease's holder on a bulk session; whatever ends it early ends the reader too. */
  async #owned<T>(
    reader: ChunkReader,
    signal: AbortSignal | undefined,
    work: (session: mysql.Connection) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#sessions.use(async ({ connection }) => {
        await connection.query('START TRANSACTION');
        try {
          await lockMysqlEpoch(connection, this.owner);
          const result = await work(connection);
          signal?.throwIfAborted();
          await connection.query('COMMIT');
          return result;
        } catch (error) {
          await connection.query('ROLLBACK').catch(() => undefined);
          throw error;
        }
      }, signal);
    } catch (error) {
      await reader.cancel();
      signal?.throwIfAborted();
      throw error;
    }
  }

  /** Begins the transaction with a change of the checkpoint table: the opposite direction drops it as dbps's own. */
  async #mark(session: mysql.Connection): Promise<void> {
    const marked = await affected(
      session,
      "UPDATE dbps.checkpoint SET mark = mark + 1 WHERE service = ? AND direction = 'forward'",
      [this.owner.service],
    );
    if (marked === 0)
      throw new InternalError({
        code: 'DBPS_E901',
        message: `${this.owner.service} has no checkpoint: rows cannot be marked as dbps's own`,
      });
  }

  async #recorded(session: mysql.Connection, map: RelationMap): Promise<readonly RecordedChunk[]> {
    const rows = await queryable(session).query({
      sql: `SELECT \`index\` AS number, key_from, key_to, estimated_rows, is_done FROM dbps.chunk
             WHERE service = ? AND relation = ? ORDER BY \`index\``,
      values: [this.owner.service, map.source],
    });
    return rows.map((row) => ({
      relation: map.source,
      index: Number(row['number']),
      from: row['key_from'] == null ? null : (JSON.parse(row['key_from']) as string[]),
      to: row['key_to'] == null ? null : (JSON.parse(row['key_to']) as string[]),
      estimatedRows: Number(row['estimated_rows']),
      isDone: row['is_done'] === '1',
    }));
  }
}

async function affected(session: mysql.Connection, sql: string, values: unknown[] = []): Promise<number> {
  const [result] = await session.query<mysql.ResultSetHeader>(sql, values);
  return result.affectedRows;
}

function sizeOf(rows: readonly (readonly Value[])[]): number {
  let size = 0;
  for (const row of rows) for (const value of row) size += typeof value === 'string' ? value.length : 1;
  return size;
}
