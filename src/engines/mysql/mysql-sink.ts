/**
 * Everything dbps writes to one database for one service and direction, under one owner's epoch: chunks (mysql-sink-copy), changes
 * (mysql-sink-apply), and changes kept for later (mysql-spool). Opening claims the checkpoint for this epoch: from then on a former
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
import type { MysqlPool } from './mysql-connection.js';
import { LATEST_POSITION, MysqlControl } from './mysql-control.js';
import { described } from './mysql-errors.js';
import { MysqlChangedKeys, MysqlHealKeys } from './mysql-key-set.js';
import { MysqlApplier } from './mysql-sink-apply.js';
import { MysqlCopyWriter } from './mysql-sink-copy.js';
import { MysqlSpool } from './mysql-spool.js';

export class MysqlSinkFactory implements SinkFactory {
  constructor(
    readonly pool: MysqlPool,
    readonly target: ConnectionTarget,
    readonly options: OpenOptions,
  ) {}

  async open(options: SinkOptions): Promise<Sink> {
    return described(this.#open(options));
  }

  async #open(options: SinkOptions): Promise<Sink> {
    const { stream, owner } = options;
    await this.pool.ownedTransaction(owner, async (session) => {
      await session.query(
        'UPDATE dbps.checkpoint SET epoch = ?, mark = mark + 1 WHERE service = ? AND direction = ? AND epoch < ?',
        [owner.epoch, stream.service, stream.direction, owner.epoch],
      );
    });
    const [row] = await this.pool.query('SELECT @@local_infile AS may_load');
    const copy = new MysqlCopyWriter(owner, this.pool, this.target, this.options, row?.['may_load'] === '1');
    return new MysqlSink(this.pool, this.target, options, copy);
  }
}

export class MysqlSink implements Sink {
  readonly heal: KeySet;
  readonly changed: KeySet;
  readonly #healKeys: MysqlHealKeys;
  readonly #changedKeys: MysqlChangedKeys;
  readonly #spool: MysqlSpool;
  #applier: Promise<MysqlApplier> | null = null;

  constructor(
    readonly pool: MysqlPool,
    readonly target: ConnectionTarget,
    readonly options: SinkOptions,
    readonly copy: MysqlCopyWriter,
  ) {
    this.#spool = new MysqlSpool(pool, options.stream);
    this.heal = this.#healKeys = new MysqlHealKeys(pool, options.owner);
    this.changed = this.#changedKeys = new MysqlChangedKeys(pool, options.stream, options.owner);
  }

  get formats(): readonly ChunkFormat[] {
    return this.copy.formats;
  }

  async begin(capture: PreparedCapture): Promise<Checkpoint> {
    const { stream, owner } = this.options;
    const of = [stream.service, stream.direction];
    await described(
      this.pool.ownedTransaction(owner, async (session) => {
        const found = await new MysqlControl(this.pool).readCheckpoint(stream.service, stream.direction);
        // The checkpoint of a capture that has been taken down since says nothing about this one.
        if (found !== null && isSame(found.source, capture.identity)) return;
        await session.query(
          `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source) VALUES (?, ?, ?, ?, ?, ?)
           ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), applied = VALUES(applied), received = VALUES(received),
             source = VALUES(source), heal_position = NULL, mark = checkpoint.mark + 1`,
          [...of, owner.epoch, capture.start, capture.start, JSON.stringify(capture.identity)],
        );
        await session.query('DELETE FROM dbps.spool WHERE service = ? AND direction = ?', of);
        await session.query('DELETE FROM dbps.changed_key WHERE service = ? AND direction = ?', of);
        if (stream.direction === 'forward')
          await session.query('DELETE FROM dbps.heal_key WHERE service = ?', [stream.service]);
      }),
    );
    return this.checkpoint();
  }

  async checkpoint(): Promise<Checkpoint> {
    const { stream } = this.options;
    const found = await described(
      new MysqlControl(this.pool).readCheckpoint(stream.service, stream.direction),
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
    return described(this.copy.writeChunk(map, chunk, reader, signal));
  }

  copyProgress(): Promise<readonly CopyProgress[]> {
    return described(this.copy.copyProgress());
  }

  recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]> {
    return described(this.copy.recordedChunks(map));
  }

  recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]> {
    return described(this.copy.recordChunks(map, chunks));
  }

  analyze(map: RelationMap): Promise<void> {
    return described(this.copy.analyze(map));
  }

  resetRelation(map: RelationMap): Promise<void> {
    return described(this.copy.resetRelation(map));
  }

  healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void> {
    return described(this.copy.healRows(map, keys, reader));
  }

  async spool(transactions: readonly ChangeTransaction[], received: Position): Promise<void> {
    await described(this.#keep(transactions, received));
  }

  async #keep(transactions: readonly ChangeTransaction[], received: Position): Promise<void> {
    const kept = transactions.filter((t) => !t.isOwn && (t.changes.length > 0 || t.barriers.length > 0));
    const end = (transactions.at(-1)?.last ?? true) ? received : null;
    const applier = await this.#openApplier();
    await applier.transaction(async () => {
      await applier.receive(end);
      await this.#spool.add(applier.session, kept, end);
    });
  }

  readSpool(signal?: AbortSignal): AsyncIterable<SpoolSegment> {
    return this.#spool.read(this.options.maps, signal);
  }

  async apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    return described(this.#openApplier().then((applier) => applier.apply(batch)));
  }

  async advance(position: Position): Promise<void> {
    await described(this.#openApplier().then((applier) => applier.advance(position)));
  }

  async readPositions(): Promise<readonly Position[]> {
    const { stream } = this.options;
    // Chunks and healed rows travel forward only; going back, both sides were equal at the start.
    if (stream.direction === 'reverse') return [];
    const rows = await described(
      this.pool.query(
        `SELECT ${LATEST_POSITION} AS position FROM dbps.chunk WHERE service = ? AND is_done
         UNION SELECT heal_position FROM dbps.checkpoint WHERE service = ? AND direction = ?`,
        [stream.service, stream.service, stream.direction],
      ),
    );
    return rows.flatMap(({ position }) => (position == null ? [] : [position]));
  }

  async close(): Promise<void> {
    const applier = await this.#applier?.catch(() => null);
    this.#applier = null;
    await Promise.all([applier?.close(), this.copy.close()]);
  }

  /**
   * Pieces of a transaction whose end had not come: it will be received again from its beginning. Only the stream's own sink may say so: one
   * that is opened beside it (the copy's, a verification's) would take away what the stream is receiving.
   */
  async #dropUnfinished(): Promise<Checkpoint> {
    const { stream, owner } = this.options;
    await this.pool.ownedTransaction(owner, async (session) => {
      await session.query(
        'DELETE FROM dbps.spool WHERE service = ? AND direction = ? AND end_position IS NULL',
        [stream.service, stream.direction],
      );
    });
    return this.checkpoint();
  }

  #openApplier(): Promise<MysqlApplier> {
    this.#applier ??= this.#dropUnfinished().then((checkpoint) =>
      MysqlApplier.open(
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
