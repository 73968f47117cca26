import { loadEngine } from '../../engines/registry.js';
import { findStayingDependants } from '../staying-dependants.js';
import { relationsOn } from '../shape.js';
import { sequencePairs } from '../../model/sequence-pairs.js';
import type { Guard } from '../step-context.js';

/** A view follows a rename and goes on reading the frozen relation without a word; a drop would fail half way. */
export const noStayingDependants: Guard = {
  name: 'no-staying-dependants',
  when: 'start',
  evaluate: async (context) => {
    const schema = await context.legacy.introspector.read({ signal: context.signal });
    const dependants = findStayingDependants(
      schema,
      relationsOn('legacy', context),
      sequencePairs(context.service).map(({ legacy }) => legacy),
    );
    const hidden = schema.unsupported.filter(({ kind }) => kind === 'hidden');
    for (const { name, reason, remedy = 'give the account that reads the right to see it' } of hidden)
      context.emit({
        type: 'finding',
        finding: { code: 'BND152', severity: 'warning', subject: name, message: reason, remedy },
      });
    if (dependants.length === 0)
      return {
        outcome: 'ok',
        detail: `nothing that stays${hidden.length === 0 ? '' : ', as far as it can be seen,'} depends on the relations`,
      };
    const { ddl } = await loadEngine(context.legacy.engine);
    const findings = dependants.map(({ subject, what, relation, object }) => ({
      code: 'BND401',
      severity: 'error' as const,
      subject,
      relation,
      service: context.service.name,
      message: `${what}, which stays in legacy, uses ${relation}`,
      remedy:
        object === undefined
          ? `Drop or rewrite ${subject} so that it does without ${relation}.`
          : `${ddl.drop(object)} or rewrite it so that it does without ${relation}.`,
      ...(object !== undefined && { data: { drop: ddl.drop(object) } }),
    }));
    for (const finding of findings) context.emit({ type: 'finding', finding });
    return {
      outcome: 'refused',
      code: 'DBPS_E346',
      detail: findings.map(({ message }) => message).join('; '),
      hint: findings[0]?.remedy ?? '',
      findings,
      mayPass: false,
    };
  },
};
