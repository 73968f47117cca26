/** Comparing both sides where the rows are. */
import type { EngineName } from '../../model/database-schema.js';
import type { RelationId } from '../../model/relation-id.js';
import type { Key } from './changes.js';
import type { Direction } from './position.js';
import type { RelationMap } from './relation-map.js';
import type { Chunk } from './snapshot.js';

export type Side = 'source' | 'target';

/**
 * Within one engine, keys and values are in the engine's own text. Across engines (`peer` is another one) they are in canonical text
 * (model/canonical-kinds.ts), in every argument and result.
 */
export interface Checksum {
  /**
   * How this side would compare each column, and which it cannot. Both sides are asked, and what both can do is done
   * (verification/compare-methods.ts). `isStrict`: values that are equal but look different (numeric 1.0 and 1.00) differ too.
   */
  method(map: RelationMap, side: Side, options: MethodOptions): Promise<ChecksumMethod>;
  /** Cuts for comparison from this side's data; half-open, together covering everything. */
  ranges(
    map: RelationMap,
    rowsPerChunk: number,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly Chunk[]>;
  /** Row count and an order-free hash of one range. `side` says whose column names and relation to use. */
  hash(
    map: RelationMap,
    chunk: Chunk,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<RangeHash>;
  count(map: RelationMap, side: Side, signal?: AbortSignal): Promise<number>;
  /** A hash for each row of a range, in no order. */
  rowHashes(
    map: RelationMap,
    chunk: Chunk,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]>;
  /** The same for given keys; keys without a row are left out. */
  keyHashes(
    map: RelationMap,
    keys: readonly Key[],
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]>;
  /** Whole rows, to show and to repair: a value for each of the map's columns, null for those that are not compared. */
  rows(
    map: RelationMap,
    keys: readonly Key[],
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly ComparedRow[]>;
  /** SQL of this engine that makes this side's row equal to `values` (null: delete it); a comment where columns are not compared. */
  repairSql(
    map: RelationMap,
    key: Key,
    values: readonly (string | null)[] | null,
    method: ChecksumMethod,
    side: Side,
  ): string;
  /**
   * Values of the columns that more than one row holds, at most `limit`. For unique keys that are not checked row by row while changes are applied;
   * absent where the engine has no such keys.
   */
  duplicates?(key: DuplicateQuery, limit: number, signal?: AbortSignal): Promise<readonly Key[]>;
  /** What goes around such statements, so that the closed fence lets them pass and nothing of them is carried back as a write of an application. */
  repairFrame(service: string, direction: Direction): { readonly before: string; readonly after: string };
  orphans(reference: OrphanQuery, limit: number, signal?: AbortSignal): Promise<OrphanResult>;
  sequences(ids: readonly RelationId[], signal?: AbortSignal): Promise<readonly SequenceState[]>;
}

export interface MethodOptions {
  readonly isStrict: boolean;
  readonly peer: EngineName;
}

export interface ChecksumMethod {
  readonly name: string;
  /** Each compared column, by its source name. `as` is the engine's word for how; sides with different words compare text. */
  readonly columns: readonly {
    readonly column: string;
    readonly as: string;
    /** What counts as equal although it is written differently, if anything. */
    readonly note?: string;
  }[];
  /**
   * How this side orders each column of the key (its collation and version). Columns on which the sides agree share ranges in that order;
   * others use `bytes`, which no index serves.
   */
  readonly order: readonly string[];
  /** Columns left out, each with the reason: always shown. */
  readonly notCompared: readonly { readonly column: string; readonly reason: string }[];
}

export interface RangeHash {
  readonly rows: number;
  readonly hash: string;
}

export interface RowHash {
  readonly key: Key;
  readonly hash: string;
}

export interface ComparedRow {
  readonly key: Key;
  readonly values: readonly (string | null)[];
}

export interface OrphanQuery {
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
}

export interface DuplicateQuery {
  readonly relation: RelationId;
  readonly columns: readonly string[];
  /** Two rows without a value are two rows of the same value. */
  readonly nullsNotDistinct: boolean;
}

export interface OrphanResult {
  readonly count: number;
  readonly sample: readonly Key[];
}

export interface SequenceState {
  readonly id: RelationId;
  /** Next value it would give, as text. */
  readonly next: string;
  readonly increment: string;
  readonly minimum: string;
  readonly maximum: string;
  readonly cache: string;
}
