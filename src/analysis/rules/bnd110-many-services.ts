/** Statements and transactions that need several services. */
import { finding, type Rule } from './rule.js';

/** A statement over as many services as this is no longer a join that two calls can replace. */
export const MANY_SERVICES = 4;

export const manyServices: Rule = ({ crossings }) =>
  crossings.flatMap(({ kind, subject, services, relations, replacement }) => {
    if (kind === 'transaction')
      return [
        finding('BND111', subject, `One transaction writes ${services.join(' and ')}.`, {
          remedy: replacement,
          data: { relations, services },
        }),
      ];
    return kind === 'query' && services.length >= MANY_SERVICES
      ? [
          finding('BND110', subject, `It needs ${services.length} services: ${services.join(', ')}.`, {
            data: { relations, services },
          }),
        ]
      : [];
  });
