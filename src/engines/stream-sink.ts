/**
 * Everything dbps writes to one database for one service and direction, under one owner's epoch: chunks (an engine's ChunkWriter), changes
 * (batch-applier), and changes kept for later (spool). Opening claims the checkpoint for this epoch: from then on a former
 * owner's compare-and-set finds another epoch and writes nothing (H7).
 */
import type { ConnectionTarget } from '../model/connection-target.js';
import { RefusedError } from '../model/errors.js';
import { BatchApplier, type ApplySession } from './batch-applier.js';
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
  Position,
  PreparedCapture,
  RecordedChunk,
  RelationMap,
  Sink,
  SinkOptions,
  SpoolSegment,
} from './engine.js';

/** Writing chunks and single rows, over sessions of its own. */
export type ChunkWriter = Pick<
  Sink,
  | 'formats'
  | 'writeChunk'
  | 'copyProgress'
  | 'recordedChunks'
  | 'recordChunks'
  | 'analyze'
  | 'resetRelation'
  | 'healRows'
  | 'close'
>;

/** The rows that a stream has in dbps's own tables, written within one transaction of the owner. */
export interface StreamRows {
  readCheckpoint(): Promise<Checkpoint | null>;
  /** Makes the row, or begins it anew: at the capture's start, without a heal position, marked. */
  writeCheckpoint(capture: PreparedCapture): Promise<void>;
  /** Raises the epoch of a checkpoint that an earlier owner has left. */
  claimCheckpoint(): Promise<void>;
  forgetSpool(which: 'all' | 'unfinished'): Promise<void>;
  forgetChangedKeys(): Promise<void>;
  /** The service's: only the forward direction has any of its own. */
  forgetHealKeys(): Promise<void>;
}

/** What an engine brings to a sink of one stream. */
export interface SinkParts {
  readonly target: ConnectionTarget;
  readonly chunks: ChunkWriter;
  readonly heal: KeySet;
  readonly changed: KeySet;
  owned<T>(work: (rows: StreamRows) => Promise<T>): Promise<T>;
  readCheckpoint(): Promise<Checkpoint | null>;
  openApply(): Promise<ApplySession>;
  /** Whole segments after this one, in order; the first of them. */
  readSegment(after: string): Promise<SpoolSegment | null>;
  /** Where the source stood at each read of it that this stream knows of. */
  readPositions(): Promise<readonly (Position | null | undefined)[]>;
  /** What the driver throws leaves as one of dbps's errors. */
  described<T>(work: Promise<T>): Promise<T>;
}

export class StreamSink implements Sink {
  readonly heal: KeySet;
  readonly changed: KeySet;
  #applier: Promise<BatchApplier> | null = null;

  private constructor(
    readonly parts: SinkParts,
    readonly options: SinkOptions,
  ) {
    this.heal = parts.heal;
    this.changed = parts.changed;
  }

  static async open(parts: SinkParts, options: SinkOptions): Promise<StreamSink> {
    await parts.described(parts.owned((rows) => rows.claimCheckpoint()));
    return new StreamSink(parts, options);
  }

  get formats(): readonly ChunkFormat[] {
    return this.parts.chunks.formats;
  }

  async begin(capture: PreparedCapture): Promise<Checkpoint> {
    await this.parts.described(
      this.parts.owned(async (rows) => {
        const found = await rows.readCheckpoint();
        // The checkpoint of a capture that has been taken down since says nothing about this one.
        if (found !== null && isSame(found.source, capture.identity)) return;
        await rows.writeCheckpoint(capture);
        await rows.forgetSpool('all');
        await rows.forgetChangedKeys();
        if (this.options.stream.direction === 'forward') await rows.forgetHealKeys();
      }),
    );
    return this.checkpoint();
  }

  async checkpoint(): Promise<Checkpoint> {
    const { service, direction } = this.options.stream;
    const found = await this.parts.described(this.parts.readCheckpoint());
    if (found === null)
      throw new RefusedError({
        code: 'DBPS_E356',
        message: `${this.parts.target.toString()} has no checkpoint of ${service} (${direction}): capture has not begun, or the database was restored from before it`,
        hint: `dbps status ${service}`,
      });
    return found;
  }

  writeChunk(
    map: RelationMap,
    chunk: Chunk,
    reader: ChunkReader,
    signal?: AbortSignal,
  ): Promise<{ readonly rows: number; readonly bytes: number }> {
    return this.parts.described(this.parts.chunks.writeChunk(map, chunk, reader, signal));
  }

  copyProgress(): Promise<readonly CopyProgress[]> {
    return this.parts.described(this.parts.chunks.copyProgress());
  }

  recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]> {
    return this.parts.described(this.parts.chunks.recordedChunks(map));
  }

  recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]> {
    return this.parts.described(this.parts.chunks.recordChunks(map, chunks));
  }

  analyze(map: RelationMap): Promise<void> {
    return this.parts.described(this.parts.chunks.analyze(map));
  }

  resetRelation(map: RelationMap): Promise<void> {
    return this.parts.described(this.parts.chunks.resetRelation(map));
  }

  healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void> {
    return this.parts.described(this.parts.chunks.healRows(map, keys, reader));
  }

  async spool(transactions: readonly ChangeTransaction[], received: Position): Promise<void> {
    const kept = transactions.filter((t) => !t.isOwn && (t.changes.length > 0 || t.barriers.length > 0));
    const end = (transactions.at(-1)?.last ?? true) ? received : null;
    await this.#applying((applier) => applier.keep(kept, end));
  }

  async *readSpool(signal?: AbortSignal): AsyncIterable<SpoolSegment> {
    let after = '0';
    for (;;) {
      signal?.throwIfAborted();
      const segment = await this.parts.described(this.parts.readSegment(after));
      if (segment === null) return;
      after = segment.id;
      yield segment;
    }
  }

  apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    return this.#applying((applier) => applier.apply(batch));
  }

  advance(position: Position): Promise<void> {
    return this.#applying((applier) => applier.advance(position));
  }

  async readPositions(): Promise<readonly Position[]> {
    const positions = await this.parts.described(this.parts.readPositions());
    return positions.flatMap((position) => (position == null ? [] : [position]));
  }

  async close(): Promise<void> {
    const applier = await this.#applier?.catch(() => null);
    this.#applier = null;
    await Promise.all([applier?.close(), this.parts.chunks.close()]);
  }

  #applying<T>(work: (applier: BatchApplier) => Promise<T>): Promise<T> {
    return this.parts.described(this.#openApplier().then(work));
  }

  #openApplier(): Promise<BatchApplier> {
    const opening = (this.#applier ??= this.#resume());
    // A session that could not be opened is asked for again, not remembered.
    opening.catch(() => (this.#applier = null));
    return opening;
  }

  /**
   * Pieces of a transaction whose end had not come are dropped: it will be received again from its beginning. Only the stream's own sink may say
   * so: one that is opened beside it (the copy's, a verification's) would take away what the stream is receiving.
   */
  async #resume(): Promise<BatchApplier> {
    await this.parts.owned((rows) => rows.forgetSpool('unfinished'));
    const checkpoint = await this.checkpoint();
    const session = await this.parts.openApply();
    return new BatchApplier(session, this.options.stream, this.options.maps, checkpoint);
  }
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}
