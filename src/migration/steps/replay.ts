import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError } from '../../model/errors.js';
import type { Step, StepContext } from '../step-context.js';
import { assertWithinWalBudget } from '../wal-budget.js';

const POLL_MS = 100;
const LOOK_EVERY_MS = 5_000;

/**
 * Applies what was kept during the copy and goes on live, until both sides converge: replay has passed the position of the last chunk,
 * and no row waits to be read again.
 */
export const replay: Step = {
  name: 'replay',
  describe: async () => [
    {
      where: 'target',
      sql: null,
      purpose: 'apply what changed during the copy, in the order of the source, until both sides converge',
    },
  ],
  check: async () => 'todo',
  do: async (context) => {
    await context.forward.start('apply');
    let lookedAt = context.now();
    while (!(await hasConverged(context))) {
      const { error } = context.forward.status();
      if (error !== null) throw error;
      if (context.signal.aborted)
        throw new InterruptedError({ code: 'DBPS_E501', message: 'stopped in replay' });
      if (context.now() - lookedAt > LOOK_EVERY_MS) {
        lookedAt = context.now();
        await assertWithinWalBudget(context);
        const { lagMs, lagBytes } = context.forward.status();
        context.emit({
          type: 'waiting',
          service: context.service.name,
          for: 'replay',
          detail: `${lagBytes ?? '?'} bytes, ${lagMs ?? '?'} ms behind`,
        });
      }
      await sleep(POLL_MS, undefined, { signal: context.signal }).catch(() => undefined);
    }
  },
  verify: async (context) => {
    if (!(await hasConverged(context))) throw new Error('replay has not converged');
  },
};

async function hasConverged(context: StepContext): Promise<boolean> {
  const { service, legacy, target } = context;
  const checkpoint = await target.control.readCheckpoint(service.name, 'forward');
  if (checkpoint === null) return false;
  for (const { position } of await target.control.readCopyProgress(service.name)) {
    if (position !== null && !legacy.changes.reached(checkpoint.applied, position)) return false;
  }
  return (await target.control.readKeySets(service.name, 'forward')).heal === 0;
}
