/** Views, routines and triggers whose relations are in several services. */
import { finding, type Rule } from './rule.js';
import { PRICES } from '../costs.js';

export const objectAcross: Rule = ({ crossings }) =>
  crossings.flatMap(({ kind, subject, services, relations, replacement, cost }) => {
    if (kind !== 'view' && kind !== 'routine' && kind !== 'trigger') return [];
    const writes =
      kind !== 'view' &&
      cost / Math.max(1, services.length - 1) >= Math.min(PRICES.routineWrite, PRICES.trigger);
    const code = kind === 'view' ? 'BND103' : writes ? 'BND104' : 'BND105';
    return [
      finding(
        code,
        subject,
        `It ${writes ? 'writes' : 'reads'} ${relations.join(', ')}, which are in ${services.join(', ')}.`,
        {
          remedy: replacement,
          data: { relations, services },
        },
      ),
    ];
  });
