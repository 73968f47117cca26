import type { FindingEntry } from './catalogue.js';

/** Boundaries: what crosses them, and what in the schema makes them doubtful. */
export const BND = {
  BND101: {
    severity: 'error',
    title: 'a reference that crosses a boundary acts on delete',
    meaning:
      'ON DELETE CASCADE, SET NULL and SET DEFAULT are done by the database. No foreign key reaches into another database, so after the cut nobody deletes or clears those rows.',
    example:
      'order_items.product_id -> products.id ON DELETE CASCADE, order_items in orders, products in catalog',
    fix: 'Keep both relations in one service, or say in dbps.yaml under references what happens instead (onDelete: keep | nullify | delete | restrict), which dbps then does by events.',
  },
  BND102: {
    severity: 'error',
    title: 'a relation is separated from the only parent it exists in',
    meaning:
      'Its primary key holds the key of its parent: it is a part of that parent. Apart, each insert asks another service, and a deleted parent leaves rows without meaning.',
    example: 'order_items (order_id, line_no) in billing, orders in orders',
    fix: 'Put both into one service: add the pair to "together".',
  },
  BND103: {
    severity: 'warning',
    title: 'a view reads relations of several services',
    meaning: 'After the cut no single database can run its query.',
    example: 'v_open_invoices reads invoices (billing) and orders (orders)',
    fix: 'Give it a read model in one service that is fed by events of the others, let the caller join two API calls, or keep the relations together.',
  },
  BND104: {
    severity: 'error',
    title: 'a routine or trigger writes relations of several services',
    meaning:
      'What is one transaction today would become writes to two databases. One may succeed and the other fail.',
    example: 'function place_order() writes orders and stock_levels',
    fix: 'Make it a saga with an undo for each step, publish an event and let the other service apply it, or keep together what is written together.',
  },
  BND105: {
    severity: 'warning',
    title: 'a routine or trigger reads relations of several services',
    meaning: 'After the cut it cannot see the other service’s rows.',
    example: 'trigger check_credit on orders reads customers',
    fix: 'Copy the columns that it needs, or ask the other service before writing.',
  },
  BND110: {
    severity: 'warning',
    title: 'a statement needs many services',
    meaning:
      'It joins relations of four or more services. As API calls it is slow and fails when any of them is down.',
    example: 'SELECT … FROM orders JOIN customers … JOIN products … JOIN stock …',
    fix: 'Feed a read model (a reporting database or a search index) from the services and ask that.',
  },
  BND111: {
    severity: 'error',
    title: 'a transaction writes several services',
    meaning:
      'It was seen to write relations that the boundaries put into different databases. No transaction spans both.',
    example: 'writes orders, payments: 14,210 times',
    fix: 'Move what is written together into one service, or make it a saga with an outbox.',
  },
  BND112: {
    severity: 'note',
    title: 'nobody was seen to write a service',
    meaning:
      'In the workload given, none of its relations is written. It may be reference data, dead, or the workload may be too short.',
    example: 'service regions: 3 relations, no write in 2,140 statements',
    fix: 'If it is reference data, list it under shared; if nobody reads it either, archive it before the move.',
  },
  BND113: {
    severity: 'warning',
    title: 'most crossings go through one relation',
    meaning:
      'Every service refers to it. Whoever owns it becomes the service that all others wait for, and its outage is everybody’s.',
    example: '31 of 44 crossing references go to users',
    fix: 'Keep only its id in the others and copy the few columns they show; consider splitting what describes a row from what identifies it.',
  },
  BND114: {
    severity: 'warning',
    title: 'two services cannot be deployed apart',
    meaning:
      'Each has references to the other that may not be null: neither can write without the other, in either direction.',
    example: 'orders -> billing (invoice_id NOT NULL) and billing -> orders (order_id NOT NULL)',
    fix: 'Make one direction nullable or an event, or make the two one service.',
  },
  BND115: {
    severity: 'note',
    title: 'a service has one relation that others cannot do without',
    meaning: 'A service this small is mostly calls from others; its own database costs more than it gives.',
    example: 'service currency owns 1 relation and is read by 7 services',
    fix: 'List the relation under shared, so that each service reads a copy, or merge the service with its biggest reader.',
  },
  BND116: {
    severity: 'warning',
    title: 'the services want more connections than the server gives',
    meaning:
      'Each service opens a pool of its own. While their databases stand on the shared server, all pools come out of one limit; what does not fit is refused at the worst time.',
    example: '12 services with 20 connections each want 240; the server gives 100',
    fix: 'Make the pools smaller, put a pooler such as PgBouncer in front, raise max_connections, or give busy services a server of their own. Say what a service holds with --pool, or with analysis.pool in dbps.yaml.',
  },
  BND120: {
    severity: 'note',
    title: 'a reference that no key declares',
    meaning:
      'Name and type say that a column refers to another relation. It is treated as a reference, with less weight.',
    example: 'orders.customer_id looks like a reference to customers.id',
    fix: 'Declare it, or list it under references in dbps.yaml, so that verification looks for orphans.',
  },
  BND121: {
    severity: 'note',
    title: 'a reference to one of several relations',
    meaning:
      'A type column says which relation an id column means. No foreign key can hold it, and after the cut the rows may be in any service.',
    example: 'comments.commentable_type, commentable_id',
    fix: 'Give each parent its own relation or column, or keep the pair as a plain value that its service resolves by API.',
  },
  BND122: {
    severity: 'note',
    title: 'a column separates tenants, not services',
    meaning:
      'So many relations have it that it says whose a row is, not what it belongs to. It ties no boundary.',
    example: 'tenant_id is on 41 of 63 relations',
    fix: 'Nothing; each service keeps the column. The relation that it refers to is a candidate for shared.',
  },
  BND123: {
    severity: 'note',
    title: 'a column that looks like a reference is none',
    meaning:
      'Name and type say that it refers to another relation; its values say otherwise: too few of them are there. It ties nothing.',
    example: 'orders.batch_id looks like a reference to batches.id, and 3 % of its values are there',
    fix: 'Nothing, if it means something else. If it does refer to that relation, its rows are orphans: look at them before a move.',
  },
  BND130: {
    severity: 'warning',
    title: 'personal data would be read across a boundary',
    meaning: 'A view or statement that crosses a boundary reads columns that tell about persons.',
    example: 'v_dunning reads customers.email for billing',
    fix: 'Let the owner of the personal data act on it (send the mail, print the label) instead of handing it out; never copy it.',
  },
  BND140: {
    severity: 'warning',
    title: 'a pin names something that no service can own',
    meaning: 'The relation is not in the schema that was read, or it is a view or a partition.',
    example: 'services.orders.relations: order_lines is not there',
    fix: 'Correct the name, or take it out; views follow the relations that they read, partitions their root.',
  },
  BND150: {
    severity: 'warning',
    title: 'a part of the dump was not read',
    meaning:
      'The statement could not be parsed, or it defines something that boundaries are not drawn from. The rest was read.',
    example: 'schema.sql:412  CREATE TABEL orders (',
    fix: 'Look at the line. If it defines relations, mend it and run again: a missing table or key changes the boundaries.',
  },
  BND151: {
    severity: 'error',
    title: 'the dump ends too early',
    meaning:
      'The file ends within a statement, or lacks the mark that the tool that wrote it puts at the end of a complete dump: relations and most keys may be missing.',
    example: 'schema.sql: pg_dump writes "database dump complete" last',
    fix: 'Make the dump again and check the exit code of pg_dump or mysqldump.',
  },
  BND152: {
    severity: 'warning',
    title: 'the account does not see all of the database',
    meaning:
      'The server shows an account only what it has a right to, and says nothing of the rest. Relations, triggers, routines or events that are there may be missing from the proposal and from the plan.',
    example: "shop: 'analyst'@'%' does not see triggers, events of it",
    fix: 'Give the account that dbps reads with the privileges that the finding names, and run again.',
  },
  BND153: {
    severity: 'note',
    title: 'a script that does not tell its dialect',
    meaning:
      'Nothing in the script belongs to PostgreSQL or MySQL only. It was read with the grammar that takes more of it, with that of PostgreSQL where both take all.',
    example: 'schema.sql: read as PostgreSQL',
    fix: 'Say which with --engine where that is wrong: MySQL before 9.0 does not take REFERENCES beside a column for a foreign key.',
  },
  BND160: {
    severity: 'note',
    title: 'the use of the database was not seen, or not whole',
    meaning:
      'Boundaries drawn without the workload know what refers to what, not what is used together: statements and transactions across services are not priced.',
    example: 'pg_stat_statements is not installed in this database',
    fix: 'Do what the finding names, or give a statement log with --log; --no-workload leaves the question out.',
  },
  BND161: {
    severity: 'note',
    title: 'the use of the database was counted for a short time only',
    meaning:
      'Counters begin anew when the server restarts or somebody resets them. Reports, closings and clean-ups that run once a day or a month are missing.',
    example: 'the server has counted for 40 minutes',
    fix: 'Run analyze again when it has counted for a week, or give a statement log of such a time with --log.',
  },
  BND401: {
    title: 'something that stays uses a relation that leaves',
    severity: 'error',
    meaning:
      'When the legacy relation is renamed and dropped, a view goes on reading the frozen copy first and keeps it from being dropped then; keys, defaults and functions break.',
    example: 'view public.sales, which stays in legacy, uses public.orders',
    fix: 'Drop or rewrite it before the decommission.',
  },
  BND601: {
    severity: 'error',
    title: 'a statement needs relations of more than one service',
    meaning:
      'One database answers it today. When the services have databases of their own, no database has all of its relations.',
    example: 'sql/report.sql:12  public.orders (orders) and public.users (users)',
    fix: 'Read each service by itself and put the answers together, keep a read model, or list what is hardly ever written under shared:, so that its readers get copies. What is accepted for now: suppress:.',
  },
  BND602: {
    severity: 'error',
    title: 'SQL writes what another service owns',
    meaning:
      'A relation is written by its owner alone. From the cutover on the shared database refuses the statement, and the owner’s database is not the one that it is sent to.',
    example: 'sql/checkout.sql:30  orders writes public.inventory (catalog)',
    fix: 'Let the owner do it, by a call or by an event that it follows; or move the relations together.',
  },
  BND603: {
    severity: 'error',
    title: 'a transaction writes relations of more than one service',
    meaning:
      'All of it is committed, or nothing, as long as it is one database. Across two there is no such transaction.',
    example: 'sql/checkout.sql:4  public.orders (orders) and public.payments (billing)',
    fix: 'Let one service commit first and tell the others by an outbox and events, with what undoes it; or move the relations together.',
  },
  BND604: {
    severity: 'warning',
    title: 'a statement could not be read',
    meaning: 'The grammar of the shared database does not take it, so it is not known what it touches.',
    example: 'sql/report.sql:40',
    fix: 'Mend it, or check it by hand. Text of a template engine must be filled in first.',
  },
} as const satisfies Record<string, FindingEntry>;
