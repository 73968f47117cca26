/** Writing chunks and change batches, each with its mark in the same transaction. */
import type { RelationId } from '../../model/relation-id.js';
import type { ChangeTransaction, Key, PreparedCapture, StreamIdentity } from './changes.js';
import type { Checkpoint, Ownership } from './identity.js';
import type { Position } from './position.js';
import type { RelationMap } from './relation-map.js';
import type { Chunk, ChunkFormat, ChunkReader } from './snapshot.js';

export interface SinkFactory {
  /** Writes of one service and direction, under one owner's epoch. */
  open(options: SinkOptions): Promise<Sink>;
}

export interface SinkOptions {
  readonly stream: StreamIdentity;
  readonly owner: Ownership;
  readonly maps: readonly RelationMap[];
}

export interface Sink {
  readonly formats: readonly ChunkFormat[];
  /** First call for a stream: writes the checkpoint row. */
  begin(capture: PreparedCapture): Promise<Checkpoint>;
  checkpoint(): Promise<Checkpoint>;

  /** One transaction: epoch, the chunk's mark and progress, the rows. A chunk already there is skipped. */
  writeChunk(
    map: RelationMap,
    chunk: Chunk,
    reader: ChunkReader,
    signal?: AbortSignal,
  ): Promise<{ readonly rows: number; readonly bytes: number }>;
  copyProgress(): Promise<readonly CopyProgress[]>;
  /** The relation's planned chunks in key order; empty when none were recorded yet. */
  recordedChunks(map: RelationMap): Promise<readonly RecordedChunk[]>;
  /** Records the planned chunks of a relation once, and returns those on record: a resumed copy uses the same cuts. */
  recordChunks(map: RelationMap, chunks: readonly Chunk[]): Promise<readonly RecordedChunk[]>;
  /** Statistics for the planner, after a relation's chunks: without them the first queries of the service go astray. */
  analyze(map: RelationMap): Promise<void>;
  /** Removes rows and progress of one relation, to copy it again. */
  resetRelation(map: RelationMap): Promise<void>;

  /** Durable without being applied; advances `received`. */
  spool(transactions: readonly ChangeTransaction[], received: Position): Promise<void>;
  /** Spooled transactions in order. A segment is removed by the batch that applies it (ApplyBatch.spooled). */
  readSpool(signal?: AbortSignal): AsyncIterable<SpoolSegment>;

  /** One target transaction (all pieces of a large one): mark and checkpoint first, then net changes, then the changed keys. */
  apply(batch: ApplyBatch): Promise<ApplyOutcome>;
  /** Persists an idle position without data. */
  advance(position: Position): Promise<void>;
  /** Where the source stood at each read of it (chunks, healed rows): replay that has passed all of them, with nothing left to heal, has converged. */
  readPositions(): Promise<readonly Position[]>;

  readonly heal: KeySet;
  readonly changed: KeySet;
  /** Rewrites the rows of heal keys as read from the source and clears them from the set, in one transaction. */
  healRows(map: RelationMap, keys: readonly Key[], reader: ChunkReader): Promise<void>;
  close(): Promise<void>;
}

export interface RecordedChunk extends Chunk {
  readonly isDone: boolean;
}

export interface CopyProgress {
  readonly relation: RelationId;
  readonly chunks: number;
  readonly done: number;
  readonly rows: number;
  readonly bytes: number;
  /** The greatest of its chunks' source positions; null until one is done. */
  readonly position: Position | null;
}

/** Spooled together, applied together. */
export interface SpoolSegment {
  readonly id: string;
  readonly transactions: readonly ChangeTransaction[];
}

export interface ApplyBatch {
  readonly transactions: AsyncIterable<ChangeTransaction> | Iterable<ChangeTransaction>;
  /** Where the checkpoint goes; null: to the end of the last transaction, which is not known before its last piece. */
  readonly end: Position | null;
  /** The last spool segment in it, read when the transactions have ended: it and those before it are removed in the same transaction. */
  readonly spooled?: { readonly through: string };
  /**
   * Until convergence an update that finds no row, or a key change, goes to the heal set. @see unsettled
   */
  readonly isConverged: boolean;
  /** Before convergence, the keys for which that holds; undefined: every key. All others are exact already. */
  readonly unsettled?: UnsettledKeys;
}

/** Keys whose rows on the other side may be newer than what is being replayed, or missing. */
export interface UnsettledKeys {
  has(map: RelationMap, key: Key): boolean;
  /** Told by the sink of each key that it puts into the heal set. */
  add(map: RelationMap, keys: readonly Key[]): void;
}

export interface ApplyOutcome {
  readonly changes: number;
  readonly statements: number;
  /** True when a unique violation made it apply in source order instead of merged. */
  readonly wasUnmerged: boolean;
}

/** A durable set of row keys beside the checkpoint. */
export interface KeySet {
  size(): Promise<number>;
  /** Of heal sets only: rows that are to be read again from the source and rewritten, whatever is here. */
  add?(map: RelationMap, keys: readonly Key[]): Promise<void>;
  take(map: RelationMap, limit: number): Promise<readonly Key[]>;
  /** Keys handled, if they have not been added again since they were taken. */
  remove(map: RelationMap, keys: readonly Key[]): Promise<void>;
}
