/** Connections: each service opens a pool of its own, and while the databases stand on one server, all come out of one limit. */
import type { ConnectionBudget } from '../model/analysis.js';
import type { ConnectionFacts } from './boundary-evidence.js';

/** Kept back for administrators, and for dbps while a service moves. */
export const RESERVED_CONNECTIONS = 10;

export function budgetConnections(services: number, facts: ConnectionFacts = {}): ConnectionBudget {
  const { most, used, pool } = facts;
  const room = most === undefined ? null : Math.max(0, most - RESERVED_CONNECTIONS);
  const wanted = pool === undefined ? null : services * pool;
  return {
    most: most ?? null,
    used: used ?? null,
    perService: room === null || services === 0 ? null : Math.floor(room / services),
    pool: pool ?? null,
    wanted,
    fits: wanted === null || room === null ? null : wanted <= room,
  };
}
