/**
 * Where a stream of the change log stands: a snapshot of the server, as pg_current_snapshot() writes it. Rows of transactions that it shows
 * have been read. The padded number orders the texts, nothing else.
 *
 *     trigger:00000000000000000752:750:752:751
 */
import type { Position } from '../engine.js';

const PREFIX = 'trigger:';

/** Shows nothing: numbers of transactions begin behind it. */
export const BEFORE_ALL = '3:3:';

export function formatSnapshotPosition(snapshot: string): Position {
  const [, xmax = '0'] = snapshot.split(':');
  return `${PREFIX}${xmax.padStart(20, '0')}:${snapshot}`;
}

/** @throws Error for text that is no such position. */
export function parseSnapshotPosition(position: Position): string {
  const match = /^trigger:\d{20}:(\d+:\d+:[\d,]*)$/.exec(position);
  if (match === null) throw new Error(`not a position of a change log: ${position}`);
  return match[1] as string;
}

interface Snapshot {
  readonly xmax: bigint;
  readonly running: ReadonlySet<bigint>;
}

function readSnapshot(text: string): Snapshot {
  const [, xmax = '0', running = ''] = text.split(':');
  const ids = running.split(',').filter((id) => id !== '');
  return { xmax: BigInt(xmax), running: new Set(ids.map(BigInt)) };
}

/** True when everything that `target` shows, `current` shows too. */
export function isSnapshotReached(current: Position, target: Position): boolean {
  const [now, then] = [current, target].map((position) => readSnapshot(parseSnapshotPosition(position)));
  if (now === undefined || then === undefined) return false;
  const isHiddenThen = (id: bigint) => id >= then.xmax || then.running.has(id);
  if (now.xmax < then.xmax) {
    // Numbers that `current` does not know of must have been running for `target`: there are no more of them than it names.
    if (then.xmax - now.xmax > BigInt(then.running.size)) return false;
    for (let id = now.xmax; id < then.xmax; id++) if (!isHiddenThen(id)) return false;
  }
  return [...now.running].every(isHiddenThen);
}
