/**
 * The commit point of a cutover, of no engine: ownership moves by compare-and-set in the transaction that closes the fence, and nothing else
 * decides who owns. Should the answer to COMMIT be lost, the row itself is asked, behind its lock: the old session may still be committing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError, RefusedError } from '../model/errors.js';
import type { CommitPoint, OwnershipRow } from './engine.js';

export function notTheirs(
  service: string,
  { expectedOwner }: Pick<CommitPoint, 'expectedOwner'>,
): RefusedError {
  return new RefusedError({
    code: 'DBPS_E333',
    message: `the writes of ${service} are not ${expectedOwner === 'legacy' ? "legacy's" : "the service database's"} to give away: its ownership row says otherwise`,
    hint: `dbps status ${service}`,
  });
}

export function lostSession(cause: unknown): InterruptedError {
  return new InterruptedError({
    code: 'DBPS_E530',
    message: 'the session that held the writers was lost before the commit; the server rolled it back',
    hint: 'Nothing was changed: run it again.',
    cause,
  });
}

export interface LostCommit {
  readonly service: string;
  readonly newOwner: 'legacy' | 'service';
  /** What the row holds if the commit took place. */
  readonly revision: number;
  readonly patienceMs: number;
  readonly cause: unknown;
}

/**
 * @param ask reads the ownership row behind its lock, over a session of its own, and waits for that at most as long as it is told.
 * @throws InterruptedError when the database cannot be asked: then the next holder of the lease asks.
 */
export async function settleCommit(
  lost: LostCommit,
  ask: (patienceMs: number) => Promise<Pick<OwnershipRow, 'owner' | 'revision'> | null>,
): Promise<'committed' | 'not-committed'> {
  const patienceMs = lost.patienceMs * 2;
  const deadline = performance.now() + patienceMs;
  let cause = lost.cause;
  do {
    try {
      const row = await ask(patienceMs);
      return row !== null && row.owner === lost.newOwner && row.revision >= lost.revision
        ? 'committed'
        : 'not-committed';
    } catch (error) {
      cause = error;
      await sleep(200);
    }
  } while (performance.now() < deadline);
  throw new InterruptedError({
    code: 'DBPS_E531',
    message: `the answer to the commit of ${lost.service} was lost, and the database does not answer`,
    hint: 'When it is back, run it again: the ownership row says what became of it.',
    cause,
  });
}
