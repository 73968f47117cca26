/**
 * Riding through a cutover. At a cutover writers first wait (for locks, without an error), then the side that lost the ownership
 * refuses them with the fence's error and the other side opens a moment later. A refused statement was not made, so it is made again at the
 * new owner, and so is one that was ended as a deadlock; a statement whose fate is unknown is never made again.
 */
import type { Knex } from 'knex';
import { DatabaseError, InterruptedError } from '../model/errors.js';
import type { Route } from '../state/route.js';
import { fateOf } from './driver-errors.js';

export interface RideOptions {
  readonly service: string;
  readonly route: () => Route | null;
  readonly database: (route: Route | null) => Knex;
  /** Reads the route again, now. */
  readonly refresh: () => Promise<void>;
  /** Longest wait for a database that accepts the work. */
  readonly waitMs: number;
  readonly now: () => number;
}

/** What one attempt came to. `again`: it was certainly not made and may be made elsewhere, or later. */
export type Attempt<T> =
  | { readonly outcome: 'done'; readonly value: T }
  | { readonly outcome: 'again'; readonly error: unknown; readonly when: 'always' | 'owner-changed' }
  | { readonly outcome: 'failed'; readonly error: unknown };

/** Few-ms steps: between the commit point and the opened target there are only some milliseconds. */
function pauseMs(attempt: number): number {
  return attempt < 10 ? 1 + attempt : attempt < 100 ? 20 : 100;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function rideThrough<T>(
  options: RideOptions,
  attempt: (database: Knex) => Promise<Attempt<T>>,
): Promise<T> {
  const begun = options.now();
  for (let n = 0; ; n += 1) {
    const route = options.route();
    const result = await attempt(options.database(route));
    if (result.outcome === 'done') return result.value;
    if (result.outcome === 'failed') throw result.error;
    await options.refresh();
    const hasMoved = (options.route()?.owner ?? 'legacy') !== (route?.owner ?? 'legacy');
    if (hasMoved) continue;
    if (result.when === 'owner-changed') throw result.error;
    if (options.now() - begun >= options.waitMs) {
      throw new InterruptedError({
        code: 'DBPS_E520',
        message: `no database accepted writes of ${options.service} for ${options.waitMs} ms`,
        hint: `dbps status ${options.service}`,
        cause: result.error,
      });
    }
    await sleep(pauseMs(n));
  }
}

/** Judges a failed statement that ran by itself: a lost connection leaves open whether it took effect. */
export function assessStatement(error: unknown, isRead: boolean, service: string): Attempt<never> {
  switch (fateOf(error)) {
    case 'fenced':
    case 'deadlock':
      return { outcome: 'again', error, when: 'always' };
    case 'moved':
      return { outcome: 'again', error, when: 'owner-changed' };
    case 'lost':
      return isRead
        ? { outcome: 'again', error, when: 'always' }
        : { outcome: 'failed', error: outcomeUnknown(service, error) };
    case 'other':
      return { outcome: 'failed', error };
  }
}

/** Judges a failure before the statement or COMMIT was sent: nothing can have taken effect. */
export function assessUnsent(error: unknown): Attempt<never> {
  switch (fateOf(error)) {
    case 'fenced':
    case 'deadlock':
    case 'lost':
      return { outcome: 'again', error, when: 'always' };
    case 'moved':
      return { outcome: 'again', error, when: 'owner-changed' };
    case 'other':
      return { outcome: 'failed', error };
  }
}

export function outcomeUnknown(service: string, cause: unknown): DatabaseError {
  return new DatabaseError({
    code: 'DBPS_E420',
    message: `the connection was lost while a write of ${service} was being acknowledged: it may or may not have taken effect`,
    hint: 'look for the row before writing it again',
    cause,
  });
}
