/** Who writes, and what dbps keeps beside the data. */
import type { Key, StreamIdentity } from './changes.js';
import type { Direction, Position } from './position.js';
import type { RelationMap } from './relation-map.js';
import type { CopyProgress } from './sink.js';

/** Who writes: every transaction of dbps locks this service's epoch row first and aborts when it is not its own. */
export interface Ownership {
  readonly service: string;
  readonly epoch: number;
}

export interface ControlReader {
  isInstalled(): Promise<boolean>;
  readEpoch(service: string): Promise<number | null>;
  readCheckpoint(service: string, direction: Direction): Promise<Checkpoint | null>;
  /** Per relation, as committed with the chunks; empty before the copy. */
  readCopyProgress(service: string): Promise<readonly CopyProgress[]>;
  /** Sizes of the durable sets of keys: to be healed, and changed since they were last verified. */
  readKeySets(
    service: string,
    direction: Direction,
  ): Promise<{ readonly heal: number; readonly changed: number }>;
  /** Keys changed since they were last verified, oldest first; an empty key stands for the whole relation. `map` as in the stream. */
  readChangedKeys(stream: StreamIdentity, map: RelationMap, limit: number): Promise<readonly Key[]>;
}

/** dbps's own tables beside the data: epoch, checkpoint, barrier, chunk, heal and changed-key sets, spool. */
export interface Control extends ControlReader {
  /** Idempotent, and safe when two processes race. Records the service's epoch row if missing. */
  install(service: string): Promise<void>;
  /** Drops this service's rows; drops the schema with the last service's. */
  remove(owner: Ownership): Promise<void>;
  /** Drops what was kept for one direction on the side that is written: checkpoint, chunks, spool, sets of keys. Idempotent. */
  forgetStream(owner: Ownership, direction: Direction): Promise<void>;
  /** Raises the epoch and thereby waits for every open transaction of a former owner. */
  raiseEpoch(owner: Ownership): Promise<void>;
  /** Commits a barrier row with a fresh nonce; seeing it on the other side proves everything before it arrived. */
  writeBarrier(owner: Ownership, nonce: string): Promise<void>;
}

/** The last position durably applied, with everything that must match before streaming may go on from it. */
export interface Checkpoint {
  readonly service: string;
  readonly direction: Direction;
  readonly epoch: number;
  /** Applied to the data. */
  readonly applied: Position;
  /** Received and durable (equals `applied` unless changes are spooled during a copy). */
  readonly received: Position;
  /** Identity of the source: system identifier, timeline, slot or server id, and a nonce of dbps's own. */
  readonly source: Readonly<Record<string, string>>;
  readonly updatedAt: string;
}
