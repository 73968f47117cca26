import type { FindingEntry } from './catalogue.js';

export const BND = {
  BND401: {
    title: 'something that stays uses a relation that leaves',
    severity: 'error',
    meaning:
      'When the legacy relation is renamed and dropped, a view goes on reading the frozen copy first and keeps it from being dropped then; keys, defaults and functions break.',
    example: 'view public.sales, which stays in legacy, uses public.orders',
    fix: 'Drop or rewrite it before the decommission.',
  },
} as const satisfies Record<string, FindingEntry>;
