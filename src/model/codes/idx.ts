import type { FindingEntry } from './catalogue.js';

export const IDX = {
  IDX301: {
    title: 'a restored foreign key is not valid',
    severity: 'warning',
    meaning:
      'After a rollback the keys that crossed the boundary are put back. Rows that came meanwhile break this one, so it holds for new rows only.',
    example: 'the foreign key orders_user_id_fkey of public.orders is back, but existing rows break it',
    fix: 'Mend the rows; on PostgreSQL then ALTER TABLE … VALIDATE CONSTRAINT …; on the MySQL family the key is in force as it is, and the finding has the query for its rows.',
  },
} as const satisfies Record<string, FindingEntry>;
