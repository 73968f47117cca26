import type { Step } from '../step-context.js';
import { removeControlTables } from './install-control.js';

export const removeControl: Step = {
  name: 'remove-control',
  describe: async () => [
    {
      where: 'target',
      sql: null,
      purpose: 'remove the control tables; the schema dbps with the last service',
    },
    { where: 'legacy', sql: null, purpose: 'remove this service from the control tables' },
  ],
  check: async (context) => {
    const { service } = context.owner;
    const isKnown =
      (await context.legacy.control.readEpoch(service)) !== null ||
      (await context.target.control.readEpoch(service)) !== null;
    return isKnown ? 'todo' : 'done';
  },
  do: removeControlTables,
  verify: async (context) => {
    if ((await removeControl.check(context)) !== 'done') throw new Error('control rows are left');
  },
};
