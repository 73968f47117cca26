import { endCapture } from '../capture.js';
import { relationsOn } from '../shape.js';
import type { Step } from '../step-context.js';

/** The point of no return (final-barrier tells it). Captures go first: a stream must never meet relations under other names. */
export const retireLegacy: Step = {
  name: 'retire-legacy',
  describe: async (context) => [
    { where: 'target', sql: null, purpose: 'end reverse capture' },
    { where: 'legacy', sql: null, purpose: 'end forward capture' },
    ...context.service.relations.map((relation) => ({
      where: 'legacy' as const,
      sql: `REVOKE ALL ON ${relation} FROM …; ALTER TABLE ${relation} RENAME TO dbps_retired_…`,
      purpose: `whoever still uses ${relation} is heard of now`,
    })),
  ],
  check: async (context) => {
    if ((await context.legacy.control.readEpoch(context.service.name)) === null) return 'done';
    const { relations } = await context.legacy.introspector.read({ signal: context.signal });
    const there = new Set(relations.map(({ id }) => id));
    return relationsOn('legacy', context).some((relation) => there.has(relation)) ? 'todo' : 'done';
  },
  do: async (context) => {
    await endCapture(context, 'reverse');
    await endCapture(context, 'forward');
    await context.at('retire-legacy.captures-ended');
    const retired = await context.legacy.retirement.retire(
      context.owner,
      relationsOn('legacy', context),
      context.signal,
    );
    return { retired: retired.map(({ relation }) => relation) };
  },
  verify: async (context) => {
    if ((await retireLegacy.check(context)) !== 'done') throw new Error('legacy relations are left');
  },
};
