/** Committed changes of a database, in commit order. */
import type { RelationId } from '../../model/relation-id.js';
import type { TransactionWatch, WatchOptions } from '../usage.js';
import type { Checkpoint, Ownership } from './identity.js';
import type { Direction, Position } from './position.js';
import type { RelationMap } from './relation-map.js';

export type CaptureMethod = 'log' | 'trigger';

/** A column's value in the engine's canonical text; null is SQL NULL; UNCHANGED: stored out of line and not in the log. */
export const UNCHANGED: unique symbol = Symbol('unchanged out-of-line value');
export type Value = string | null | typeof UNCHANGED;
export type Key = readonly string[];

export type Change =
  /** `values` in the order of the map's columns. */
  | { readonly kind: 'insert'; readonly map: RelationMap; readonly values: readonly Value[] }
  /** `oldKey` only when the key changed. */
  | {
      readonly kind: 'update';
      readonly map: RelationMap;
      readonly values: readonly Value[];
      readonly oldKey: Key | null;
    }
  | { readonly kind: 'delete'; readonly map: RelationMap; readonly key: Key }
  /** A leaf's truncate names the leaf; restart identity and cascade as in the log. */
  | {
      readonly kind: 'truncate';
      readonly maps: readonly RelationMap[];
      readonly leaves: readonly RelationId[];
    };

/** A committed transaction of the source, in commit order; large ones arrive in several pieces, `last` on the final one. */
export interface ChangeTransaction {
  readonly commit: Position;
  /** Where streaming goes on after it. */
  readonly end: Position;
  readonly committedAtMs: number;
  /** True when it began with a change of dbps's checkpoint or chunk table: written by dbps, not by an application. */
  readonly isOwn: boolean;
  readonly changes: readonly Change[];
  readonly barriers: readonly string[];
  readonly last: boolean;
  /** Bytes in the log's form, for budgets and rates. */
  readonly bytes: number;
}

export interface StreamIdentity {
  readonly service: string;
  readonly direction: Direction;
}

export interface CaptureObserver {
  /**
   * Its streams can hand out what dbps itself applied for another service, which feeds copies of relations that are kept current that way
   * (StreamOptions.followsApplied). Absent: dbps's own are all alike to it.
   */
  readonly followsApplied?: true;
  /** null when there is no such capture. */
  status(stream: StreamIdentity): Promise<CaptureStatus | null>;
  currentPosition(): Promise<Position>;
  /** GTID sets are only partly ordered: ask, never compare. */
  reached(current: Position, target: Position): boolean;
  /** Bytes between two positions, null where the engine cannot say. */
  distance(from: Position, to: Position): number | null;
}

export interface ChangeSource extends CaptureObserver {
  /** Makes the publication, then the slot (idempotent); returns the position where streaming begins, and the source identity. */
  prepare(
    stream: StreamIdentity,
    maps: readonly RelationMap[],
    owner: Ownership,
    signal?: AbortSignal,
  ): Promise<PreparedCapture>;
  /** Refuses (RefusedError) when the start would skip: checkpoint below what was confirmed, lost slot, another system or timeline. */
  stream(options: StreamOptions): Promise<ChangeStream>;
  /** Idempotent: drops publication and slot. */
  teardown(stream: StreamIdentity, owner: Ownership): Promise<void>;
  /**
   * Committed transactions from now on, each as the relations that it writes, for `analyze --observe`: no service, no plan, no rows. What it makes on
   * the server goes with its session, however that ends. Absent where an engine cannot promise that.
   */
  watch?(options: WatchOptions): Promise<TransactionWatch>;
}

export interface PreparedCapture {
  readonly start: Position;
  readonly identity: Readonly<Record<string, string>>;
  /** False when it had been there already. */
  readonly created: boolean;
}

export interface CaptureStatus {
  /** What keeps the changes on this server, in words: `slot dbps_…_fwd`, `binary log from binlog.000007`, `change log dbps.change_log_…`. */
  readonly name: string;
  readonly isActive: boolean;
  readonly confirmed: Position;
  /** Log kept because of it, bytes; null where unknown. */
  readonly retainedBytes: number | null;
  readonly isLost: boolean;
  /** How what is captured was changed behind dbps's back: from then on changes may be missing for good. Absent: it was not. */
  readonly altered?: string;
  /** Absent: from the log. */
  readonly method?: CaptureMethod;
  readonly identity: Readonly<Record<string, string>>;
}

export interface StreamOptions {
  readonly stream: StreamIdentity;
  readonly maps: readonly RelationMap[];
  readonly checkpoint: Checkpoint;
  readonly signal: AbortSignal;
  /** Only what dbps wrote for this very service is its own; what it applies for others is a change like any other. */
  readonly followsApplied?: true;
  /** Pieces of a large transaction are cut at about this many changes. Default 20 000. */
  readonly maxChanges?: number;
}

/** Pull-based, so that a slow target slows the socket: nothing is buffered without bound. */
export interface ChangeStream extends AsyncIterable<ChangeTransaction> {
  /** Only what is durable on the other side. */
  acknowledge(position: Position): void;
  /** The log's head as last told by the server. */
  readonly head: Position;
  /** An idle position that can be made durable and then acknowledged (keep-alives), or null. */
  idlePosition(): Position | null;
  close(): Promise<void>;
}
