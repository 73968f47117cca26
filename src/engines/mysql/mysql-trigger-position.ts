/**
 * Where a stream of a change log stands: the log's name, and the numbers that it has read. A database has a log for each stream, and
 * whoever asks where the database stands gets all of them: a stream has reached that when it has read what is there of its own.
 *
 *     trigger:01763834000123456;change_log_1f3a_fwd=1-4:6
 *
 * The first number is when the database was asked (microseconds; zero for a stream's own place): it orders the texts, nothing else.
 */
import type { Position } from '../engine.js';
import { IdSet } from './mysql-id-set.js';

const PREFIX = 'trigger:';

export type TriggerPosition = ReadonlyMap<string, IdSet>;

export function formatTriggerPosition(logs: TriggerPosition, askedAtUs = 0): Position {
  const sets = [...logs].map(([log, read]) => `${log}=${read.toString()}`);
  return PREFIX + [String(askedAtUs).padStart(17, '0'), ...sets].join(';');
}

/** @throws Error for text that is no such position. */
export function parseTriggerPosition(position: Position): TriggerPosition {
  if (!position.startsWith(PREFIX)) throw new Error(`not a position of a change log: ${position}`);
  const logs = position.slice(PREFIX.length).split(';');
  return new Map(
    logs.flatMap((entry) => {
      const at = entry.indexOf('=');
      return at === -1 ? [] : [[entry.slice(0, at), IdSet.parse(entry.slice(at + 1))] as const];
    }),
  );
}

export function isTriggerPositionReached(current: Position, target: Position): boolean {
  const there = parseTriggerPosition(target);
  for (const [log, read] of parseTriggerPosition(current)) {
    const wanted = there.get(log);
    if (wanted !== undefined && !read.covers(wanted)) return false;
  }
  return true;
}
