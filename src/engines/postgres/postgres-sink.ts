/**
 * Everything dbps writes to one database for one service and direction, under one owner's epoch: chunks (postgres-sink-copy), changes
 * (postgres-sink-apply), and changes kept for later (spool). Opening claims the checkpoint for this epoch: from then on a former
 * owner's compare-and-set finds another epoch and writes nothing (H7).
 */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import type {
  ApplyBatch,
  ApplyOutcome,
  ChangeTransaction,
  Checkpoint,
  Chunk,
  ChunkFormat,
  ChunkReader,
  CopyProgress,
  Key,
  KeySet,
  OpenOptions,
  Position,
  PreparedCapture,
  RecordedChunk,
  RelationMap,
  Sink,
  SinkFactory,
  SinkOptions,
  SpoolSegment,
} from '../engine.js';
import type { SessionPool } from './postgres-connection.js';
import { LATEST_POSITION, readCheckpoint } from './postgres-control.js';
import { described } from './postgres-errors.js';
import { ChangedKeys, HealKeys } from './postgres-key-set.js';
import { PostgresApplier } from './postgres-sink-apply.js';
import { PostgresCopyWriter } from './postgres-sink-copy.js';
import { decodeSegment, encodeSegment } from '../spool-codec.js';

export class PostgresSinkFactory implements SinkFactory {
  constructor(
    readonly pool: SessionPool,
    readonly target: ConnectionTarget,
    readonly options: OpenOptions,
  ) {}

  async open(options: SinkOptions): Promise<Sink> {
    await described(this.#claim(options));
    return new PostgresSink(this.pool, this.target, this.options, options);
  }

  async #claim({ stream, owner }: SinkOptions): Promise<void> {
    await this.pool.ownedTransaction(owner, async (client) => {
      await client.query(
        'UPDATE dbps.checkpoint SET epoch = $3, mark = mark + 1 WHERE service = $1 AND direction = $2 AND epoch < $3',
        [stream.service, stream.direction, owner.epoch],
      );
    });
  }
}

export class PostgresSink implements Sink {
  readonly heal: KeySet;
  readonly changed: KeySet;
  readonly formats: readonly ChunkFormat[];
  readonly #healKeys: HealKeys;
  readonly #changedKeys: ChangedKeys;
  readonly #copy: PostgresCopyWriter;
  #applier: Promise<PostgresApplier> | null = null;

  constructor(
    readonly pool: SessionPool,
    readonly target: ConnectionTarget,
    open: OpenOptions,
    readonly options: SinkOptions,
  ) {
    this.#copy = new PostgresCopyWriter(options.owner, pool, target, open, options.stream.direction);
    this.formats = this.#copy.formats;
    this.heal = this.#healKeys = new HealKeys(pool, options.owner);
    this.changed = this.#changedKeys = new ChangedKeys(pool, options.stream, options.owner);
  }

  async begin(capture: PreparedCapture): Promise<Checkpoint> {
    const { stream, owner } = this.options;
    const of = [stream.service, stream.direction];
    await this.pool.ownedTransaction(owner, async (client) => {
      const found = await readCheckpoint(client, stream.service, stream.direction);
      // The checkpoint of a capture that has been taken down since says nothing about this one.
      if (found !== null && isSame(found.source, capture.identity)) return;
      await client.query(
        `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source) VALUES ($1, $2, $3, $4, $4, $5)
         ON CONFLICT (service, direction) DO UPDATE SET epoch = excluded.epoch, applied = excluded.applied,
           received = excluded.received, source = excluded.source, heal_position = NULL, mark = checkpoint.mark + 1`,
        [...of, owner.epoch, capture.start, JSON.stringify(capture.identity)],
      );
      await client.query('DELETE FROM dbps.spool WHERE service = $1 AND direction = $2', of);
      await client.query('DELETE FROM dbps.changed_key WHERE service = $1 AND direction = $2', of);
      if (stream.direction === 'forward')
        await client.query('DELETE FROM dbps.heal_key WHERE service = $1', [stream.service]);
    });
    return this.checkpoint();
  }

  async checkpoint(): Promise<Checkpoint> {
    const { stream } = this.options;
    const found = await described(
      this.pool.use((client) => readCheckpoint(client, stream.service, stream.direction)),
    );
    if (found === null)
      throw new RefusedError({
        code: 'DBPS_E356',
        message: `${this.target.toString()} has no checkpoint of ${stream.service} (${stream.direction}): capture has not begun, or the database was restored from before it`,
        hint: `dbps status ${stream.service}`,
      });
    return found;
  }

  writeChunk(
    map: RelationMap,
    chunk: Chunk,
    reader: ChunkReader,
    signal?: AbortSignal,
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    return this.#copy.writeChunk(map, chunk, reader, signal);
  }

  copyProgress(): Promise<readonly CopyProgress[]> {
    return this.#copy.copyProgress();
  }

  recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]> {
    return this.#copy.recordedChunks(map);
  }

  recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]> {
    return this.#copy.recordChunks(map, chunks);
  }

  analyze(map: RelationMap): Promise<void> {
    return this.#copy.analyze(map);
  }

  resetRelation(map: RelationMap): Promise<void> {
    return this.#copy.resetRelation(map);
  }

  healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void> {
    return this.#copy.healRows(map, keys, reader);
  }

  async spool(transactions: readonly ChangeTransaction[], received: Position): Promise<void> {
    await described(this.#spool(transactions, received));
  }

  async #spool(transactions: readonly ChangeTransaction[], received: Position): Promise<void> {
    const { stream } = this.options;
    const kept = transactions.filter((t) => !t.isOwn && (t.changes.length > 0 || t.barriers.length > 0));
    const isWhole = transactions.at(-1)?.last ?? true;
    const payload = kept.length > 0 ? await encodeSegment(kept) : null;
    const applier = await this.#openApplier();
    await applier.transaction(async () => {
      await applier.receive(isWhole ? received : null);
      const of = [stream.service, stream.direction];
      const end = isWhole ? received : null;
      if (payload !== null)
        await applier.client.query(
          'INSERT INTO dbps.spool (service, direction, end_position, payload) VALUES ($1, $2, $3, $4)',
          [...of, end, payload],
        );
      if (isWhole)
        await applier.client.query(
          'UPDATE dbps.spool SET end_position = $3 WHERE service = $1 AND direction = $2 AND end_position IS NULL',
          [...of, end],
        );
    });
  }

  async *readSpool(signal?: AbortSignal): AsyncIterable<SpoolSegment> {
    const { stream, maps } = this.options;
    let after = '0';
    for (;;) {
      signal?.throwIfAborted();
      const [row] = await described(
        this.pool.query<{ seq: string; payload: string }>(
          `SELECT seq, payload FROM dbps.spool
            WHERE service = $1 AND direction = $2 AND seq > $3 AND end_position IS NOT NULL ORDER BY seq LIMIT 1`,
          [stream.service, stream.direction, after],
        ),
      );
      if (row === undefined) return;
      after = row.seq;
      yield {
        id: row.seq,
        transactions: await decodeSegment(Buffer.from(row.payload.slice(2), 'hex'), maps),
      };
    }
  }

  async apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    return described(this.#openApplier().then((applier) => applier.apply(batch)));
  }

  async advance(position: Position): Promise<void> {
    await described(this.#openApplier().then((applier) => applier.advance(position)));
  }

  async readPositions(): Promise<readonly Position[]> {
    const { stream } = this.options;
    const rows = await this.pool.query<{ position: string }>(
      // Chunks travel forward only; going back, both sides were equal at the start.
      `SELECT ${LATEST_POSITION} AS position FROM dbps.chunk WHERE service = $1 AND is_done AND $2 = 'forward'
       UNION SELECT heal_position FROM dbps.checkpoint WHERE service = $1 AND direction = $2`,
      [stream.service, stream.direction],
    );
    return rows.flatMap(({ position }) => (position == null ? [] : [position]));
  }

  async close(): Promise<void> {
    const applier = await this.#applier?.catch(() => null);
    this.#applier = null;
    await Promise.all([applier?.close(), this.#copy.close()]);
  }

  /**
   * Pieces of a transaction whose end had not come: it will be received again from its beginning. Only the stream's own sink may say so: one
   * that is opened beside it (the copy's, a verification's) would take away what the stream is receiving.
   */
  async #dropUnfinished(): Promise<Checkpoint> {
    const { stream, owner } = this.options;
    await this.pool.ownedTransaction(owner, async (client) => {
      await client.query(
        'DELETE FROM dbps.spool WHERE service = $1 AND direction = $2 AND end_position IS NULL',
        [stream.service, stream.direction],
      );
    });
    return this.checkpoint();
  }

  #openApplier(): Promise<PostgresApplier> {
    this.#applier ??= this.#dropUnfinished().then((checkpoint) =>
      PostgresApplier.open(
        {
          target: this.target,
          stream: this.options.stream,
          owner: this.options.owner,
          maps: this.options.maps,
          heal: this.#healKeys,
          changed: this.#changedKeys,
        },
        checkpoint,
      ),
    );
    // A session that could not be opened is asked for again, not remembered.
    this.#applier.catch(() => (this.#applier = null));
    return this.#applier;
  }
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}
