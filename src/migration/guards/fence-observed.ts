import { relationsOn } from '../shape.js';
import type { Guard } from '../step-context.js';

/** The fence of legacy is whole: asked of the database, since a partition may be new and a trigger may have been disabled. */
export const fenceObserved: Guard = {
  name: 'fence-observed',
  when: 'always',
  evaluate: async (context) => {
    const { name } = context.service;
    const states = await context.legacy.fence.observe(name, relationsOn('legacy', context));
    const gaps = states.filter(({ state }) => state !== 'closed');
    if (gaps.length === 0)
      return { outcome: 'ok', detail: `${states.length} relations are fenced in legacy` };
    return {
      outcome: 'refused',
      code: 'DBPS_E344',
      detail: gaps
        .map(({ relation, state, detail }) => detail ?? `the fence of ${relation} is ${state}`)
        .join('; '),
      hint: `dbps verify ${name} --mode full shows whether writes came through; dbps rollback ${name}, then forward again, puts the fence up anew`,
      findings: [],
      mayPass: false,
    };
  },
};
