/** A service that the workload never writes. */
import { finding, type Rule } from './rule.js';

export const neverWritten: Rule = ({ services, uses }) => {
  const written = new Set(uses.flatMap((use) => use.writes));
  if (written.size === 0) return [];
  return services
    .filter((service) => !service.relations.some((relation) => written.has(relation)))
    .map((service) =>
      finding(
        'BND112',
        service.name,
        `None of its ${service.relations.length} relations is written in ${uses.length} statements and transactions.`,
        { service: service.name },
      ),
    );
};
