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
  SEQ302: {
    title: 'a column draws from a sequence that cannot move',
    severity: 'error',
    meaning:
      "The column's default calls a sequence of MariaDB's (CREATE SEQUENCE). dbps moves the counters of AUTO_INCREMENT columns, but neither makes nor fences such sequences: the service's table could not be made, or would go on drawing from the shared database.",
    example: 'shop.orders.id takes its values from nextval(`shop`.`order_no`)',
    fix: 'Make the column AUTO_INCREMENT, or take its default away and let the application give the value. A sequence that no column draws from stays where it is (BND406).',
  },
} as const satisfies Record<string, FindingEntry>;
