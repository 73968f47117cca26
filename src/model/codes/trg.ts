import type { FindingEntry } from './catalogue.js';

export const TRG = {
  TRG301: {
    title: 'something below a relation that moves cannot be fenced',
    severity: 'error',
    meaning:
      'A foreign table that is a partition or an inheritance child is written on another server: locks and triggers here do not hold its writers.',
    example: 'public.events_2019 is below a relation that moves, but is no table of this server',
    fix: 'Detach it from its parent, or leave the parent where it is.',
  },
  TRG302: {
    title: 'rules need the replica role',
    severity: 'error',
    meaning:
      'A rule rewrites every statement on its table, those of the applier too, and the server refuses INSERT … ON CONFLICT there. Under session_replication_role = replica rules do not act. The shared database keeps its rules after the cutover and the service database after a rollback, so it is needed on both servers; without it replication would stop at the first row.',
    example:
      'public.payment has rules, so rows can be applied to it as a replica only; permission denied to set parameter "session_replication_role"',
    fix: 'As a superuser, on both servers: GRANT SET ON PARAMETER session_replication_role TO dbps; (PostgreSQL 15 and later). Or replace the rules by triggers.',
  },
} as const satisfies Record<string, FindingEntry>;
