import { endCapture } from '../capture.js';
import { relationsOn } from '../shape.js';
import type { Step } from '../step-context.js';
import { removeControlTables } from './install-control.js';

/** Fences, captures and control rows on both sides. The journal stays with the state store, as long as another service needs it. */
export const removeTraces: Step = {
  name: 'remove-traces',
  describe: async () => [
    { where: 'target', sql: null, purpose: 'remove the opened fence, captures and control tables' },
    { where: 'legacy', sql: null, purpose: 'remove the fence function, captures and control rows' },
  ],
  check: async (context) => {
    const { name } = context.service;
    const known = [
      await context.legacy.control.readEpoch(name),
      await context.target.control.readEpoch(name),
    ];
    return known.every((epoch) => epoch === null) ? 'done' : 'todo';
  },
  do: async (context) => {
    const { name } = context.service;
    const isKnown = {
      legacy: (await context.legacy.control.readEpoch(name)) !== null,
      target: (await context.target.control.readEpoch(name)) !== null,
    };
    if (isKnown.legacy && isKnown.target)
      for (const direction of ['reverse', 'forward'] as const) await endCapture(context, direction);
    for (const side of ['legacy', 'target'] as const)
      if (isKnown[side])
        await context[side].fence.remove(context.owner, relationsOn(side, context), context.signal);
    await removeControlTables(context);
  },
  verify: async (context) => {
    if ((await removeTraces.check(context)) !== 'done') throw new Error('control rows are left');
  },
};
