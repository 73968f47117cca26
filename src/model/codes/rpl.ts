import type { FindingEntry } from './catalogue.js';

export const RPL = {
  RPL201: {
    title: 'no key that identifies a row',
    severity: 'error',
    meaning:
      'A change in the log must name its row, and a row that arrives twice (once with the copy, once with the log) must be recognised. That takes a primary key, or a unique index on NOT NULL columns that is immediate, valid and not partial, as the replica identity.',
    example: 'audit_log has no primary key and replica identity "default"',
    fix: 'ALTER TABLE audit_log ADD PRIMARY KEY (…); or ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY and make it the key; or leave the relation out of the service.',
  },
} as const satisfies Record<string, FindingEntry>;
