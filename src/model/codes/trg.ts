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
} as const satisfies Record<string, FindingEntry>;
