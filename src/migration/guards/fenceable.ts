import { relationsOn } from '../shape.js';
import { sequencePairs } from '../../model/sequence-pairs.js';
import type { Guard } from '../step-context.js';

/** A fence can be put up on both sides, and who could take it away is known. */
export const fenceable: Guard = {
  name: 'fenceable',
  when: 'always',
  evaluate: async (context) => {
    const pairs = sequencePairs(context.service);
    const service = context.service.name;
    const findings = [
      ...(await context.legacy.fence.assess({
        service,
        relations: relationsOn('legacy', context),
        sequences: pairs.map(({ legacy }) => legacy),
      })),
      ...(await context.target.fence.assess({
        service,
        relations: relationsOn('target', context),
        sequences: pairs.map(({ target }) => target),
      })),
    ];
    for (const finding of findings) context.emit({ type: 'finding', finding });
    const errors = findings.filter(({ severity }) => severity === 'error');
    const warnings = findings.length - errors.length;
    if (errors.length === 0) {
      return {
        outcome: 'ok',
        detail: `the relations can be fenced${warnings === 0 ? '' : `; ${warnings} roles could take the fence away`}`,
      };
    }
    return {
      outcome: 'refused',
      code: 'DBPS_E343',
      detail: [...new Set(errors.map(({ message }) => message))].join('; '),
      // Each names a way out of its own: with the first alone the next run would only tell the second.
      hint: [...new Set(errors.flatMap(({ remedy }) => remedy ?? []))].join(' '),
      findings,
      mayPass: false,
    };
  },
};
