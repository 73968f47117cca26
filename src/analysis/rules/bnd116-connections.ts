/** More pools than the server has connections for. */
import { RESERVED_CONNECTIONS } from '../connection-budget.js';
import { finding, type Rule } from './rule.js';

/** A pool smaller than this queues under any load. */
const SMALLEST_POOL = 5;

export const connections: Rule = ({ connections: budget, services }) => {
  const { most, perService, pool, wanted, fits } = budget;
  if (most === null || perService === null) return [];
  const room = `${most} connections, ${RESERVED_CONNECTIONS} of them kept back`;
  if (fits === false && pool !== null && wanted !== null)
    return [
      finding(
        'BND116',
        'connections',
        `${services.length} services with ${pool} connections each want ${wanted}; the server gives ${room}: ${perService} a service.`,
        { data: { most, wanted, perService } },
      ),
    ];
  return pool === null && perService < SMALLEST_POOL
    ? [
        finding(
          'BND116',
          'connections',
          `Shared out among ${services.length} services, ${room}, leave ${perService} for each.`,
          { data: { most, perService } },
        ),
      ]
    : [];
};
