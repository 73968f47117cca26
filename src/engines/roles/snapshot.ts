/** Reading rows in key ranges. */
import type { RelationId } from '../../model/relation-id.js';
import type { Key, Value } from './changes.js';
import type { Position } from './position.js';
import type { RelationMap } from './relation-map.js';

/** A half-open range of the key, `null` = unbounded, in the engine's canonical text per key column. */
export interface Chunk {
  readonly relation: RelationId;
  readonly index: number;
  readonly from: readonly string[] | null;
  readonly to: readonly string[] | null;
  readonly estimatedRows: number;
}

/** Bytes between equal engines (`binary` when all column types are the same, else `text`), rows across engines. */
export type ChunkFormat = 'postgres-binary' | 'postgres-text' | 'mysql-load' | 'rows';

export interface Snapshot {
  readonly formats: readonly ChunkFormat[];
  /** The fastest of the accepted formats that keeps every column's value: binary only where both sides mean the same by it. */
  chunkFormat(map: RelationMap, accepted: readonly ChunkFormat[]): Promise<ChunkFormat>;
  /** Splits by key into ranges of about `rowsPerChunk`; a relation without rows gives one chunk. Resumable: same input, same cuts is NOT promised. */
  planChunks(map: RelationMap, rowsPerChunk: number, signal?: AbortSignal): Promise<readonly Chunk[]>;
  /**
   * Blocks until every transaction that could have committed before capture began is visible (docs/protocol.md, copy).
   */
  waitUntilVisible(since: string, signal?: AbortSignal): Promise<void>;
  /** Token for waitUntilVisible: who was running when capture began. */
  currentSnapshot(): Promise<string>;
  readChunk(map: RelationMap, chunk: Chunk, format: ChunkFormat, signal?: AbortSignal): Promise<ChunkReader>;
  /** One row by key, as chunks of one: used by the heal set. */
  readKeys(
    map: RelationMap,
    keys: readonly Key[],
    format: ChunkFormat,
    signal?: AbortSignal,
  ): Promise<ChunkReader>;
}

export interface ChunkReader {
  readonly format: ChunkFormat;
  /** Buffers for byte formats; arrays of rows for `rows`. */
  readonly data: AsyncIterable<Buffer | readonly (readonly Value[])[]>;
  /** After `data` ended: the source's insert position, and what was read. */
  finish(): Promise<{ readonly position: Position; readonly rows: number }>;
  cancel(): Promise<void>;
}
