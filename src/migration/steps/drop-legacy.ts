import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError } from '../../model/errors.js';
import type { Step } from '../step-context.js';

/** After a grace, long enough for an error in some application to be seen; may be interrupted and run again. */
export const dropLegacy: Step = {
  name: 'drop-legacy',
  describe: async (context) => [
    {
      where: 'legacy',
      sql: `DROP TABLE ${context.service.relations.join(', ')} RESTRICT`,
      purpose: `the relations are archived and belong to ${context.service.name}; under their retired names, after the grace`,
    },
  ],
  check: async (context) => {
    const { name } = context.service;
    if ((await context.legacy.control.readEpoch(name)) === null) return 'done';
    return (await context.legacy.retirement.retired(name)).length === 0 ? 'done' : 'todo';
  },
  do: async (context) => {
    const retired = await context.legacy.retirement.retired(context.service.name);
    const last = Math.max(...retired.map(({ at }) => Date.parse(at)));
    const graceMs = context.settings.decommission.graceMs;
    // The server's clock may be ahead of ours: never wait longer than the grace itself.
    const waitMs = Math.min(graceMs, last + graceMs - context.now());
    if (waitMs > 0) {
      context.emit({
        type: 'waiting',
        service: context.service.name,
        for: 'grace',
        detail: `renamed relations are dropped in ${Math.ceil(waitMs / 1000)}s`,
      });
      await sleep(waitMs, undefined, { signal: context.signal }).catch(() => undefined);
      if (context.signal.aborted)
        throw new InterruptedError({
          code: 'DBPS_E501',
          message: 'stopped before the relations were dropped',
        });
    }
    await context.legacy.retirement.drop(context.owner, context.signal);
    return { dropped: retired.map(({ relation }) => relation) };
  },
  verify: async (context) => {
    if ((await dropLegacy.check(context)) !== 'done') throw new Error('retired relations are left');
  },
};
