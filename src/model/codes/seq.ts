import type { FindingEntry } from './catalogue.js';

export const SEQ = {
  SEQ301: {
    title: 'a sequence is shared with a relation that stays',
    severity: 'error',
    meaning:
      'The sequence moves with its service and is fenced in legacy at the cutover; the relation that stays would get no more values.',
    example: 'public.ids moves with orders, but public.audit.id, which stays, draws from it too',
    fix: 'Give the relation that stays a sequence of its own, starting with room to spare.',
  },
} as const satisfies Record<string, FindingEntry>;
