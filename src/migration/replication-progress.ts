/**
 * How far one direction has come, and what `status` makes of it. Outlives the sessions of a replicator: what was known before a connection was
 * lost is the best that is known until the next one.
 */
import type { Checkpoint, Position } from '../engines/engine.js';

export class ReplicationProgress {
  received: Position | null = null;
  applied: Position | null = null;
  /** Where the checkpoint on the other side stands, and when it got there. */
  durable: Position | null = null;
  persistedAtMs = 0;
  isConverged = false;
  hasSpool = true;
  /** When the oldest change that is just being worked on was committed. */
  inFlightMs: number | null = null;
  changesApplied = 0;

  /** A session goes on from what the other side has. */
  goOnFrom({ received, applied }: Pick<Checkpoint, 'received' | 'applied'>): void {
    this.received = this.durable = received;
    this.applied = applied;
    this.hasSpool = true;
  }

  persisted(position: Position, nowMs: number): void {
    this.received = this.durable = position;
    this.persistedAtMs = nowMs;
  }
}

/** What the streams of a session show from outside; null without a session. */
export interface SessionView {
  readonly head: Position | null;
  readonly oldestQueuedMs: number | null;
  readonly isQueueEmpty: boolean;
}

/** Age of the oldest change not yet applied. */
export function lagMs(
  progress: ReplicationProgress,
  session: SessionView | null,
  { isPaused, nowMs }: { readonly isPaused: boolean; readonly nowMs: number },
): number {
  const oldestMs = progress.inFlightMs ?? session?.oldestQueuedMs ?? null;
  if (oldestMs !== null) return Math.max(0, nowMs - oldestMs);
  // Without a session nothing is known of what waits there: the age of the last word is the best bound.
  return session === null || isPaused ? nowMs - progress.persistedAtMs : 0;
}

export function lagBytes(
  progress: ReplicationProgress,
  session: SessionView | null,
  distance: (from: Position, to: Position) => number | null,
): number | null {
  const head = session?.head ?? null;
  if (head === null || progress.applied === null) return null;
  // An idle position is persisted later than it is reached.
  const isIdle = session?.isQueueEmpty === true && progress.inFlightMs === null && !progress.hasSpool;
  return isIdle ? 0 : Math.max(0, distance(progress.applied, head) ?? 0);
}
