import type { FindingEntry } from './catalogue.js';

/** What `plan` finds when it gives every object of the shared schema a home: families of several kinds, one place. */
export const PLANNING = {
  BND401: {
    title: 'a cut foreign key did something to the child rows',
    severity: 'warning',
    meaning:
      'ON DELETE or ON UPDATE with CASCADE, SET NULL or SET DEFAULT is work that the shared database did. Across two databases nobody does it: rows of the child stay behind as orphans.',
    example: 'order_items.product_id -> products.id  ON DELETE CASCADE',
    fix: 'Let the owner of the parent tell the owner of the child (an event, a call), or say under references: what shall happen; or keep both in one service.',
  },
  BND402: {
    title: 'a foreign key is cut by a boundary',
    severity: 'note',
    meaning:
      'The ends are in different databases after the cutover, so no database checks the reference any more. dbps takes the key away before the writes move, puts it back on rollback, and looks for orphans in every verification.',
    example: 'orders.user_id -> users.id',
    fix: 'Nothing to do for the move. Decide who checks it afterwards: the application, a nightly verify, or copied columns.',
  },
  BND403: {
    title: 'a view shows rows of several services',
    severity: 'warning',
    meaning:
      'No single service database can answer it. It is left out of all of them; in the shared database it stays, and shows old rows once the first of its relations has moved.',
    example: 'public.order_overview reads orders, users and products',
    fix: 'Replace it before the first of its services takes writes: by calls in the application, by a copy kept fresh, or by a read model. Then drop it.',
  },
  BND404: {
    title: 'a view also shows rows that stay in the shared database',
    severity: 'warning',
    meaning: 'Part of what it reads belongs to no service, so no service database can answer it.',
    example: 'public.audit_overview reads orders and audit_log, which is excluded',
    fix: 'Give the relation that stays to a service, or replace the view before the writes move.',
  },
  BND405: {
    title: 'a shared relation cannot be copied to a service that reads it',
    severity: 'warning',
    meaning:
      'Relations under shared: have one owner; services that read them get read-only copies. dbps keeps none where a copy could not hold the rows or would show too much: on another engine, captured by triggers, partitioned or inherited, without a key, with row-level security, with types or functions of your own or of extensions.',
    example:
      'public.countries is owned by catalog; orders reads it and gets no copy: column area has a type of your own',
    fix: 'Let the service ask the owner, or ship the rows with its own migrations when they hardly ever change.',
  },
  BND406: {
    title: 'an object is not carried over',
    severity: 'warning',
    meaning:
      'dbps knows that it is there and has no place for it: it is not made on a service database. Everything else of the plan does not wait for it.',
    example: 'event trigger log_ddl',
    fix: 'Make it on the service database yourself where it is needed, after dbps generate.',
  },
  BND407: {
    title: 'a view reads no relation of any service',
    severity: 'note',
    meaning: 'Nothing says where it belongs, so it is left out.',
    example: 'public.numbers',
    fix: 'Name it under the relations of the service that needs it.',
  },
  BND408: {
    title: 'a materialized view is filled twice and then yours',
    severity: 'note',
    meaning:
      'It is refreshed when the service database has caught up and again after the cutover. Between and after, nobody refreshes it there unless you do.',
    example: 'public.sales_by_day',
    fix: 'Move the job that refreshes it to the service database.',
  },
  BND409: {
    title: 'a foreign key of a partitioned table is checked whole after the cutover',
    severity: 'note',
    meaning:
      'The server cannot make such a key without looking at all rows at once. dbps makes it after the cutover, in the transition to sync; writers of both tables wait while it looks.',
    example: 'order_events (order_id) refers to orders',
    fix: 'Nothing to do; start the transition to sync in a quiet hour when the table is large.',
  },
  TRG401: {
    title: 'a trigger reaches into another service',
    severity: 'warning',
    meaning:
      'What it reads or writes is in another database after the cutover. The trigger is left out of the service database; in the shared one it works until the writes move.',
    example: 'orders_stock on public.orders runs public.take_stock(), which writes inventory',
    fix: 'Do its work in the application or by an event before the writes move, then drop it.',
  },
  TRG402: {
    title: 'a routine touches several services',
    severity: 'warning',
    meaning: 'Its body names relations that will be in different databases. It is left out of all of them.',
    example: 'public.close_order(integer) touches orders and payments',
    fix: 'Split it, or do its work in the application.',
  },
  TRG403: {
    title: 'the body of a routine cannot be read',
    severity: 'warning',
    meaning:
      'It builds SQL at run time, or is written in a language that dbps does not read. What it touches is not known, so the plan may give it to a service where it fails.',
    example: 'public.run_report(text) executes dynamic SQL',
    fix: 'Read it yourself: it is copied to every service that may need it. Drop it where it does not belong.',
  },
  TRG404: {
    title: 'a rule reaches into another service',
    severity: 'warning',
    meaning:
      'The statement that the rule adds would need a relation of another database. The rule is left out.',
    example: 'log_price on public.products inserts into audit_log',
    fix: 'Do its work in the application before the writes move, then drop it.',
  },
  TRG405: {
    title: 'a table needs a routine that crosses a boundary',
    severity: 'error',
    meaning:
      'A default, check, index or generated column calls a routine that touches another service. Without it the table on the service database would be another one.',
    example: 'default of public.orders.number calls public.next_number(), which writes counters of billing',
    fix: 'Give the relation behind the routine to the same service, or replace the default or check first.',
  },
  TRG406: {
    title: 'a trigger fires for replicated rows too',
    severity: 'warning',
    meaning:
      'ENABLE ALWAYS and ENABLE REPLICA triggers also fire when dbps applies a change that already brought the effects of the trigger: they would happen twice.',
    example: 'stamp on public.orders is enabled always',
    fix: 'ALTER TABLE … ENABLE TRIGGER …; for the time of the migration.',
  },
  TRG407: {
    title: 'a table that moves has rules',
    severity: 'warning',
    meaning:
      'Rules act on what dbps applies unless its role may set session_replication_role, on the shared server and on the service’s. doctor and preflight-clean look whether it may.',
    example: 'public.payment has rules payment_insert_p2007_01, payment_insert_p2007_02',
    fix: 'GRANT SET ON PARAMETER session_replication_role TO dbps; on both servers (PostgreSQL 15 and later), or replace the rules by triggers before the move.',
  },
  SEQ401: {
    title: 'a sequence serves tables of several services',
    severity: 'error',
    meaning:
      'Numbers are unique across the tables only as long as one database gives them. At the first cutover the sequence in the shared database is fenced, and the tables that stay would get no more values.',
    example: 'public.document_ids serves orders and invoices',
    fix: 'Give each table a sequence of its own before (with ranges that do not overlap, where numbers must stay unique), or keep the tables together.',
  },
  SEQ402: {
    title: 'a sequence that no column uses',
    severity: 'note',
    meaning: 'Nothing says which service it belongs to: it stays in the shared database.',
    example: 'public.invoice_numbers',
    fix: 'Where an application calls nextval on it: create it on the service database, starting above the last value here.',
  },
  IDX401: {
    title: 'an invalid index is left behind',
    severity: 'note',
    meaning:
      'A CREATE INDEX CONCURRENTLY that failed leaves an index that nobody uses. It is not made again.',
    example: 'orders_created_idx on public.orders',
    fix: 'DROP INDEX it, or REINDEX it if it is wanted.',
  },
  RPL202: {
    title: 'an unlogged table',
    severity: 'error',
    meaning:
      'Its changes are not in the log, so they cannot be captured: what is written during the migration would be lost.',
    example: 'public.session_cache is unlogged',
    fix: 'ALTER TABLE … SET LOGGED; or exclude it and create it empty on the service database.',
  },
  SEC401: {
    title: 'a role is made on the service database that cannot log in yet',
    severity: 'note',
    meaning:
      'Grants and policies name it, so it must be there. dbps makes it where it is missing, without a password: it never reads or writes passwords of others.',
    example: 'shop_app',
    fix: 'Before the cutover: ALTER ROLE … LOGIN PASSWORD …; dbps generate writes it into roles.sql.',
  },
  SEC402: {
    title: 'a row-security policy reaches into another service',
    severity: 'error',
    meaning:
      'The policy asks a relation that will be in another database, so it is left out. Without a permissive policy rows disappear; without a restrictive one rows appear that must not be seen.',
    example: 'by_tenant on public.orders asks public.memberships',
    fix: 'Rewrite the policy so that it needs only its own service (a setting, a copied column).',
  },
  SEC403: {
    title: 'the application owns its tables',
    severity: 'note',
    meaning:
      'An owner needs no grants. On the service database the tables belong to the role that dbps runs as, so the former owner gets the right to read and write them (not to change or truncate them).',
    example: 'public.orders belongs to shop_app',
    fix: 'Nothing to do for the move. After sync you may give the tables back: ALTER TABLE … OWNER TO …;',
  },
  SEC404: {
    title: 'code of the service runs as the account of dbps',
    severity: 'warning',
    meaning:
      'On MySQL and MariaDB triggers, events and what is not SQL SECURITY INVOKER run as the account that made them. In the service database that is the account of dbps. When it is dropped, each statement that sets such code off fails with error 1449, writes of the application among them.',
    example: 'orders: trigger shop.orders.touch, view shop.totals',
    fix: "When the move is done: ALTER USER 'dbps'@'%' ACCOUNT LOCK; (what it made runs on), or make the code anew as another account before dropping it.",
  },
  TYP402: {
    title: 'the type of the other engine holds or checks less',
    severity: 'note',
    meaning:
      'The service is on another engine, and a column gets the type there that comes closest (docs/types.md has the whole table). Values that it cannot hold are refused by name when they are met, never rounded or cut.',
    example: 'public.orders.placed_at  timestamp with time zone → datetime(6): the column holds UTC',
    fix: 'Read what differs and check that the application can live with it; or choose the same engine for this service.',
  },
  TYP403: {
    title: 'an object has no counterpart in the other engine',
    severity: 'warning',
    meaning:
      'The service is on another engine, whose SQL is another: views, routines, triggers, partial and expression indexes, checks and defaults that are not known to mean the same are not carried over.',
    example: 'trigger touch_updated_at of public.orders',
    fix: 'Write its counterpart on the service database before the write cutover, where it is still needed.',
  },
  TYP401: {
    title: 'an extension is needed on the service database',
    severity: 'note',
    meaning:
      'A relation, type or routine of the service uses it. dbps creates it; a managed server may not offer it.',
    example: 'postgis, for places.position',
    fix: 'Check that the target offers it: SELECT * FROM pg_available_extensions;',
  },
} as const satisfies Record<string, FindingEntry>;

export type PlanningCode = keyof typeof PLANNING;
