import type { FindingEntry } from './catalogue.js';

export const SEC = {
  SEC101: {
    title: 'a password in dbps.yaml in clear',
    severity: 'warning',
    meaning: 'dbps.yaml is meant to be committed; whoever reads the repository would have the password.',
    example: 'source.url: postgres://dbps:secret@db:5432/shop',
    fix: 'Put the password into the environment or a file and write ${DB_PASSWORD|urlencode} or ${file:/run/secrets/db}. Change it if the file was committed.',
  },
  SEC301: {
    title: 'dbps may not fence a relation',
    severity: 'error',
    meaning:
      'To make writers wait and to refuse them afterwards, dbps creates triggers on the relations, disables others and alters sequences. That takes their owner, or a member of it.',
    example: 'dbps_admin may not fence public.orders: it belongs to shop_owner',
    fix: 'GRANT shop_owner TO dbps_admin;',
  },
  SEC302: {
    title: 'a role could take the fence away',
    severity: 'warning',
    meaning:
      'Whoever owns a relation can disable its triggers, and whoever may set session_replication_role does not meet them. The fence is observed and the log is watched for writes that round it, but after the fact.',
    example: 'shop_app could take the fence of orders away: it owns them (as shop_app)',
    fix: 'Give the relations to a role that no application logs in as, and grant the application what it needs.',
  },
} as const satisfies Record<string, FindingEntry>;
