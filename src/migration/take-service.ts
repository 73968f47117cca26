/** Becoming the runner of a service: the lease, then the epoch on both databases, and only then may anything read a checkpoint. */
import type { Database, Ownership } from '../engines/engine.js';
import { RefusedError } from '../model/errors.js';
import type { ServicePlan } from '../model/plan.js';
import { confirmationToken } from './itinerary.js';
import type { DatabaseOpener, MoveEnvironment } from './move-environment.js';

export interface TakenService {
  readonly service: ServicePlan;
  readonly owner: Ownership;
  readonly legacy: Database;
  /** null: not there yet. */
  readonly target: Database | null;
  readonly targetOpener: DatabaseOpener;
  /** The token that was printed for the state as it was before; empty when somebody held the service since. */
  readonly confirmable: string;
}

export interface TakeOptions {
  /** `--lock-timeout`. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What is taken is given to `use` before the epochs are raised: from then on the lease needs a heartbeat. */
export async function takeService<T extends { close(): Promise<void> }>(
  environment: MoveEnvironment,
  name: string,
  options: TakeOptions,
  use: (taken: TakenService) => T,
): Promise<T> {
  const service = environment.plan.services.find((candidate) => candidate.name === name);
  if (service === undefined) {
    throw new RefusedError({
      code: 'DBPS_E303',
      message: `the plan has no service "${name}"`,
      hint: 'dbps plan show',
    });
  }
  const targetOpener = environment.target(service);
  const legacy = await environment.legacy.open();
  let target: Database | null = null;
  let used: T | null = null;
  try {
    target = (await targetOpener.exists()) ? await targetOpener.open() : null;
    const before = await environment.store.service(name);
    const floor = Math.max(
      (await legacy.control.readEpoch(name)) ?? 0,
      (await target?.control.readEpoch(name)) ?? 0,
    );
    const owner = await environment.store.acquireLease(name, {
      holder: environment.holder,
      host: environment.host,
      durationMs: environment.leaseMs,
      waitMs: options.waitMs,
      floor,
      signal: options.signal,
    });
    // A token names the epoch that was current when it was printed; any lease in between voids it.
    const isNext = before !== null && owner.epoch === Math.max(before.epoch, floor) + 1;
    const confirmable = before !== null && isNext ? confirmationToken(before) : '';
    used = use({ service, owner, legacy, target, targetOpener, confirmable });
    await environment.at('lease.acquired');
    for (const database of [legacy, target]) {
      if ((await database?.control.readEpoch(name)) != null) await database?.control.raiseEpoch(owner);
    }
    await environment.at('lease.epoch-raised');
    return used;
  } catch (error) {
    if (used !== null) await used.close();
    else await Promise.allSettled([legacy.close(), target?.close()]);
    throw error;
  }
}
