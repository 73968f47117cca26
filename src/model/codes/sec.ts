import type { FindingEntry } from './catalogue.js';

export const SEC = {
  SEC101: {
    title: 'a password in dbps.yaml in clear',
    severity: 'warning',
    meaning: 'dbps.yaml is meant to be committed; whoever reads the repository would have the password.',
    example: 'source.url: postgres://dbps:secret@db:5432/shop',
    fix: 'Put the password into the environment or a file and write ${DB_PASSWORD|urlencode} or ${file:/run/secrets/db}. Change it if the file was committed.',
  },
} as const satisfies Record<string, FindingEntry>;
