/** Why a stream cannot begin, or cannot go on: the same words whatever the engine and the way of capture. */
import type { ConnectionTarget } from '../model/connection-target.js';
import { DatabaseError, DbpsError, RefusedError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';
import type { Checkpoint, StreamIdentity } from './engine.js';

/** Going on from here would skip changes, or apply those of another database. */
export function otherSource(stream: StreamIdentity, difference: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E353',
    message: `the checkpoint of ${stream.service} (${stream.direction}) belongs to another source: ${difference}`,
    hint: `copy ${stream.service} again, or verify it in full`,
  });
}

/** @throws RefusedError when the checkpoint was written for another server, database or capture than this one. */
export function assertSameSource(
  stream: StreamIdentity,
  checkpoint: Pick<Checkpoint, 'source'>,
  identity: Readonly<Record<string, string>>,
): void {
  for (const [what, now] of Object.entries(identity)) {
    const then = checkpoint.source[what];
    if (then !== now) throw otherSource(stream, `${what} was ${then ?? 'not recorded'}, is ${now || 'gone'}`);
  }
}

/** What to type then. Before the cutover everything is in legacy, and what was copied may be thrown away. */
export const beginAnew = ({ service, direction }: StreamIdentity): string =>
  direction === 'forward'
    ? `dbps migrate abort ${service}, then dbps migrate advance ${service} --to provisioned, and on: capture begins anew, and the relations are copied again`
    : 'go one phase back and forward again: capture begins anew, and the relations are copied again';

/** Capture cannot go on from where it is. */
export function captureLost(stream: StreamIdentity, why: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E351',
    message: `capture of ${stream.service} (${stream.direction}) cannot go on: ${why}`,
    hint: beginAnew(stream),
  });
}

export function changedShape(subject: RelationId, what: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E354',
    message: `${subject} is not what was planned: ${what}`,
    hint: 'dbps plan diff',
  });
}

export function unidentified(subject: RelationId): RefusedError {
  return new RefusedError({
    code: 'DBPS_E355',
    message: `${subject} cannot be captured: its rows cannot be told apart`,
    hint: 'give it a primary key',
  });
}

/** For what ended a stream that was running; a DbpsError says it better already. */
export function streamLost(target: ConnectionTarget, cause?: unknown): DbpsError {
  if (cause instanceof DbpsError) return cause;
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new DatabaseError({
    code: 'DBPS_E430',
    message: `the change stream from ${target.toString()} was lost${reason}`,
    hint: 'dbps goes on from the checkpoint by itself once the server answers again',
    cause,
  });
}
