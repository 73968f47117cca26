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
  SEC303: {
    title: 'an account cannot be fenced',
    severity: 'error',
    meaning:
      'On MySQL and MariaDB a fence is made of triggers. Who may drop or truncate a table, drop triggers or write past the log goes round them without meaning to: TRUNCATE fires no trigger. An application connects with row privileges; migrations and administration with an account of their own.',
    example: "'shop'@'%' cannot be fenced: it may truncate and drop, may drop triggers",
    fix: "REVOKE DROP, TRIGGER ON shop.* FROM 'shop'@'%'; for an application that connects as root: an account of its own with SELECT, INSERT, UPDATE, DELETE, EXECUTE.",
  },
  SEC304: {
    title: 'a trigger runs as another account',
    severity: 'error',
    meaning:
      'Triggers cannot be disabled here. So that they do nothing for rows that dbps applies, dbps makes them anew with a condition around their body, and as they were when the fence is removed. A trigger that runs as somebody else can only be made by who may name another account.',
    example: 'trigger touch of shop.orders runs as root@localhost',
    fix: 'GRANT SET USER ON *.* TO dbps; (MariaDB), SET_USER_ID (MySQL 8.0) or SET_ANY_DEFINER (MySQL 8.2 and later); on MySQL SYSTEM_USER too where the account that it runs as has that, as root does; or make the trigger anew as dbps.',
  },
  SEC305: {
    title: 'who could take the fence away is not known',
    severity: 'warning',
    meaning:
      'Privileges of other accounts are only shown to who may read the database mysql. Without it nobody tells whether the application may truncate or drop what it writes.',
    example: 'dbps@% sees only its own privileges',
    fix: "GRANT SELECT ON mysql.* TO 'dbps'@'%';",
  },
} as const satisfies Record<string, FindingEntry>;
