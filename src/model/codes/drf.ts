import type { FindingEntry } from './catalogue.js';

export const DRF = {
  DRF101: {
    title: 'the fence in legacy is not closed',
    severity: 'error',
    meaning:
      'The service database owns the writes, so legacy must refuse them. Its fence is damaged, open or gone: a write that reaches legacy now is in one database only.',
    example: 'dbps_fence on public.orders is disabled',
    fix: 'Find out who altered the tables (roles that own them can disable triggers). dbps status lists rogue writes; they are reconciled by decision, never silently.',
  },
  DRF102: {
    title: 'the log that capture needs is gone',
    severity: 'error',
    meaning:
      'The server has removed log that the replication slot had not read yet (max_slot_wal_keep_size, or the slot was dropped). What was in it cannot be had any more, so going on would lose changes.',
    example: 'slot dbps_orders_1f3a9c2e_fwd is lost',
    fix: 'dbps migrate abort <service>, then begin again: the relations are copied anew. Keep dbps run going, and raise max_slot_wal_keep_size.',
  },
} as const satisfies Record<string, FindingEntry>;
