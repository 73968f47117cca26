import type { FindingEntry } from './catalogue.js';

/** What `dbps doctor` and the guard preflight-clean find, before anything is touched. */
export const PREFLIGHT = {
  RPL101: {
    title: 'the log does not hold what capture needs',
    severity: 'error',
    meaning:
      'dbps reads committed changes from the server’s log. With wal_level below logical they are not in it.',
    example: 'wal_level is "replica"',
    fix: 'ALTER SYSTEM SET wal_level = logical; then restart. Managed services: the parameter rds.logical_replication, cloudsql.logical_decoding or its like.',
  },
  RPL102: {
    title: 'no replication slot is free',
    severity: 'error',
    meaning:
      'Each service needs a slot here as long as it moves. Slots belong to the whole server, not to one database.',
    example: '10 of 10 replication slots are taken',
    fix: 'Raise max_replication_slots (restart needed), or drop slots that nobody uses.',
  },
  RPL103: {
    title: 'no log sender is free',
    severity: 'error',
    meaning: 'Each stream of changes is one log sender. All are in use by replicas or other readers.',
    example: '10 of 10 log senders are in use',
    fix: 'Raise max_wal_senders (restart needed), or end senders that nobody uses.',
  },
  RPL104: {
    title: 'the server may throw away log that dbps still needs',
    severity: 'warning',
    meaning:
      'max_slot_wal_keep_size bounds what a slot may hold back. When dbps is stopped for longer than that lasts, the slot is lost and the relations are copied again.',
    example: 'max_slot_wal_keep_size is 512 MB',
    fix: 'Set it to at least migration.walBudget: ALTER SYSTEM SET max_slot_wal_keep_size = …; SELECT pg_reload_conf();',
  },
  RPL105: {
    title: 'a replication connection is refused',
    severity: 'error',
    meaning:
      'Ordinary connections work, but a replication one does not: a pooler stands between, pg_hba.conf has no line for it, or the role lacks REPLICATION.',
    example: 'replication connection: no pg_hba.conf entry for replication connection',
    fix: 'Give a direct URL, not one through a pooler; ALTER ROLE dbps REPLICATION; add a pg_hba.conf line for the database.',
  },
  RPL106: {
    title: 'a pooler stands between dbps and the server',
    severity: 'error',
    meaning:
      'Two statements of one session were answered by different server sessions. Locks, snapshots and replication need a session of their own.',
    example: 'statements of one session ran in server sessions 4211 and 4215',
    fix: 'Give the server’s own host and port in dbps.yaml. Applications may go on through the pooler.',
  },
  RPL107: {
    title: 'the server is a replica',
    severity: 'error',
    meaning:
      'It is in recovery and takes no writes, so neither capture nor control tables can be set up on it.',
    example: 'the server is in recovery',
    fix: 'Name the primary.',
  },
  RPL108: {
    title: 'a long transaction is open',
    severity: 'warning',
    meaning:
      'Capture begins only when every transaction that was open has ended, and a cutover waits for those that touch its relations.',
    example: 'session 8123 of reporting has had a transaction open for 2h 10m',
    fix: 'Let it end, or end it: SELECT pg_terminate_backend(8123);',
  },
  RPL109: {
    title: 'a prepared transaction is open',
    severity: 'error',
    meaning:
      'It holds its locks until somebody commits or rolls it back, so a fence cannot close and capture cannot begin.',
    example: 'prepared transaction "tx-7" of 2026-11-01',
    fix: 'COMMIT PREPARED or ROLLBACK PREPARED it, whichever its coordinator says.',
  },
  RPL110: {
    title: 'this server version is not supported',
    severity: 'error',
    meaning: 'dbps asks for PostgreSQL 13, MySQL 8.0 or MariaDB 10.5, or later.',
    example: 'PostgreSQL 11.22',
    fix: 'Upgrade the server first.',
  },
  RPL111: {
    title: 'the two databases have different encodings',
    severity: 'error',
    meaning:
      'A text that one side can hold may have no form on the other, so that a change could not be applied there, or not go back; and rows are compared byte by byte, where equal texts would differ.',
    example: 'the encoding of orders is UTF8, that of the shared database LATIN1',
    fix: 'Make the service database anew with the encoding of the shared one, as the finding says. Change the encoding before the move, or after it.',
  },
  RPL112: {
    title: 'the database does not know its encoding',
    severity: 'error',
    meaning:
      'SQL_ASCII takes any bytes. What is no valid text cannot be read by a session that knows an encoding: one such row, whenever it is written, would stop the copy or the stream.',
    example: 'the encoding of shop is SQL_ASCII',
    fix: 'Bring the shared database to the encoding that its applications write, by a dump and a restore, before the move.',
  },
  RPL113: {
    title: 'the two databases sort texts differently',
    severity: 'warning',
    meaning:
      'A column that names no collation goes by its database. ORDER BY, lower() and upper(), LIKE and its indexes, unique indexes on lower(…) and partitions by ranges of text mean something else on the service database.',
    example: 'texts in orders sort and change case by C.UTF-8, in the shared database by en_US.UTF-8',
    fix: 'Make the service database anew while it is empty, as the finding says; or know that answers come in another order. A database that provisioning makes is made like the shared one.',
  },
  TRG315: {
    title: 'capture by triggers does not see what replicas write',
    severity: 'warning',
    meaning:
      'With migration.capture: trigger changes are noted by triggers, which do not fire for sessions under session_replication_role = replica. Subscriptions of this database write in such sessions.',
    example:
      'what billing_feed brings in is written as a replica, which fires no trigger: it is not captured',
    fix: 'migration.capture: log where the log can be read; else ALTER SUBSCRIPTION billing_feed DISABLE; where it writes to relations that move.',
  },
  RPL301: {
    title: 'a slot that nobody reads keeps log',
    severity: 'warning',
    meaning:
      'The server keeps all log since the slot was last read; in the end its disk fills up and it stops.',
    example: 'slot dbps_orders_1a2b3c4d_fwd is inactive and keeps 18 GB of log',
    fix: 'Let its reader run (dbps run). If it belongs to nothing: dbps doctor --fix for dbps’s own, SELECT pg_drop_replication_slot(…) for others.',
  },
  RPL302: {
    title: 'something of an earlier run was left behind',
    severity: 'warning',
    meaning: 'A slot, publication, fence or control table of dbps exists for a service that no plan knows.',
    example: 'publication dbps_orders_1a2b3c4d_fwd',
    fix: 'dbps doctor --fix drops what is listed, after asking.',
  },
  SEC201: {
    title: 'the role may not read a relation',
    severity: 'error',
    meaning: 'Every row has to be read for the copy and for verification.',
    example: 'no SELECT on public.audit_log',
    fix: 'GRANT SELECT ON public.audit_log TO dbps;',
  },
  SEC202: {
    title: 'the role does not own a relation',
    severity: 'error',
    meaning:
      'Publishing a relation and putting a fence on it is allowed to its owner, or to members of the owning role.',
    example: 'public.orders belongs to shop_owner',
    fix: 'GRANT shop_owner TO dbps;',
  },
  SEC203: {
    title: 'the role may not create anything in the database',
    severity: 'error',
    meaning:
      'dbps keeps its control tables in a schema of their own, and publications belong to the database.',
    example: 'no CREATE on database shop',
    fix: 'GRANT CREATE ON DATABASE shop TO dbps;',
  },
  SEC204: {
    title: 'the role may not replicate',
    severity: 'error',
    meaning: 'Reading the log needs the attribute REPLICATION, or the managed service’s role for it.',
    example: 'role dbps lacks REPLICATION',
    fix: 'ALTER ROLE dbps REPLICATION; on Amazon RDS: GRANT rds_replication TO dbps;',
  },
  SEC205: {
    title: 'row security hides rows from this role',
    severity: 'error',
    meaning:
      'A policy filters what this role reads: rows would be missing from the copy, and from the comparison too.',
    example: 'public.tenants has row security, and dbps may not bypass it',
    fix: 'ALTER ROLE dbps BYPASSRLS; or let the role own the relation, without FORCE ROW LEVEL SECURITY.',
  },
  SEC206: {
    title: 'the applier cannot work as a replica',
    severity: 'note',
    meaning:
      'With session_replication_role = replica applied rows fire no user trigger and no foreign key check. Without it dbps keeps triggers and foreign keys off on the side that does not own the writes.',
    example: 'permission denied to set parameter "session_replication_role"',
    fix: 'GRANT SET ON PARAMETER session_replication_role TO dbps; (PostgreSQL 15 and later). It works without, too.',
  },
} as const satisfies Record<string, FindingEntry>;
