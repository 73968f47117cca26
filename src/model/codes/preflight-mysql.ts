import type { FindingEntry } from './catalogue.js';

/** What `dbps doctor` and the guard preflight-clean find on a server of the MySQL family, before anything is touched. */
export const PREFLIGHT_MYSQL = {
  RPL120: {
    title: 'the server writes no binary log',
    severity: 'error',
    meaning:
      'dbps reads committed changes from the server’s log. MariaDB comes with the log off; MySQL 8 with it on, managed services often only with backups.',
    example: 'the server writes no binary log: log_bin is OFF',
    fix: 'In the configuration, under [mysqld]: log_bin = binlog, binlog_format = ROW, server_id = 1; then restart. Amazon RDS: a backup retention above 0.',
  },
  RPL121: {
    title: 'the log has statements instead of rows',
    severity: 'error',
    meaning:
      'With binlog_format STATEMENT or MIXED the log says what was run, not which rows it changed: the same statement elsewhere may change others.',
    example: 'binlog_format is MIXED: the log has statements, not rows',
    fix: "SET GLOBAL binlog_format = 'ROW'; (no restart), the same in the configuration, and let applications connect anew: a session keeps what it began with.",
  },
  RPL122: {
    title: 'rows are logged in part',
    severity: 'error',
    meaning:
      'With binlog_row_image MINIMAL or NOBLOB a change holds only some columns of its row. Applied elsewhere, the others would be guessed.',
    example: 'binlog_row_image is MINIMAL: rows are logged in part',
    fix: "SET GLOBAL binlog_row_image = 'FULL'; (no restart), the same in the configuration, and let applications connect anew.",
  },
  RPL123: {
    title: 'changes of JSON are logged as differences',
    severity: 'error',
    meaning:
      'With binlog_row_value_options = PARTIAL_JSON an update of a JSON column holds only what changed in it, in a form that is not read here.',
    example: 'binlog_row_value_options is PARTIAL_JSON',
    fix: "SET GLOBAL binlog_row_value_options = ''; (no restart), and let applications connect anew.",
  },
  RPL124: {
    title: 'the log is compressed',
    severity: 'error',
    meaning:
      'MySQL’s binlog_transaction_compression puts whole transactions into the log as one compressed event, which is not read; their rows would be missing. MariaDB’s log_bin_compress is read.',
    example:
      'binlog_transaction_compression is ON: whole transactions are compressed in the log, and cannot be read',
    fix: 'SET GLOBAL binlog_transaction_compression = OFF; (no restart), and let applications connect anew.',
  },
  RPL125: {
    title: 'the server has no number',
    severity: 'error',
    meaning: 'A server with server_id 0 refuses everybody who asks for its log.',
    example: 'server_id is 0: the server hands its log to nobody',
    fix: 'SET GLOBAL server_id = 1; (no restart; a number that no replica of it has), and the same in the configuration.',
  },
  RPL126: {
    title: 'no global transaction ids',
    severity: 'note',
    meaning:
      'Positions are then a file and an offset of this one server. That is enough to move a service; after a failover to a replica the position means nothing, and the relations are copied again.',
    example: 'gtid_mode is OFF: positions are files and offsets, which another server does not know',
    fix: 'Nothing has to be done. To survive a failover: gtid_mode = ON, step by step, without a restart.',
  },
  RPL127: {
    title: 'the log is not kept for long',
    severity: 'warning',
    meaning:
      'The server throws log files away after a time, read or not. When dbps is stopped for longer than that, changes are gone and the relations are copied again.',
    example: 'the log is kept for 24 hours',
    fix: "SET GLOBAL binlog_expire_logs_seconds = 604800; (MariaDB before 10.6: expire_logs_days = 7); Amazon RDS: CALL mysql.rds_set_configuration('binlog retention hours', 168);",
  },
  RPL128: {
    title: 'triggers may not be created',
    severity: 'error',
    meaning:
      'With the binary log on, the server lets only accounts with SUPER create triggers (error 1419), unless log_bin_trust_function_creators is ON. The fence is made of triggers.',
    example: 'log_bin_trust_function_creators is OFF (error 1419)',
    fix: 'SET GLOBAL log_bin_trust_function_creators = ON; (no restart), and the same in the configuration. With rows in the log it is harmless.',
  },
  RPL129: {
    title: 'large rows do not fit a packet',
    severity: 'warning',
    meaning:
      'max_allowed_packet bounds a row that is read or written in one piece. A row beyond it stops the copy or the stream with an error; nothing is lost.',
    example: 'max_allowed_packet is 1 MB',
    fix: 'SET GLOBAL max_allowed_packet = 67108864; (no restart, for new sessions), and the same in the configuration.',
  },
  RPL130: {
    title: 'writers give up waiting soon',
    severity: 'warning',
    meaning:
      'During a cutover writers wait, mostly for a fraction of a second, at most gates.writeCutover.fenceTimeout. A session whose innodb_lock_wait_timeout is shorter gets an error instead.',
    example: 'innodb_lock_wait_timeout is 5 s',
    fix: 'SET GLOBAL innodb_lock_wait_timeout = 50; (no restart, for new sessions), or a fenceTimeout below it.',
  },
  RPL131: {
    title: 'rows are copied by INSERT',
    severity: 'note',
    meaning: 'LOAD DATA LOCAL is the faster way in, and the server does not allow it.',
    example: 'local_infile is OFF',
    fix: 'SET GLOBAL local_infile = ON; (no restart). It works without, too.',
  },
  RPL132: {
    title: 'several nodes take writes',
    severity: 'error',
    meaning:
      'Row locks hold on the node where they are taken. On the other nodes of a Galera cluster or of a group in multi-primary mode writers would not wait, and could commit behind the cutover.',
    example: '3 nodes of a cluster take writes',
    fix: 'Send all writes to one node for the time of the migration, and name that node in dbps.yaml.',
  },
  VRF310: {
    title: 'the server cannot hash rows',
    severity: 'error',
    meaning:
      'Verification compares hashes that the servers make with MD5 and SHA1. MySQL from 9.6 on has these functions in a component, which a new server does not load.',
    example: 'rows cannot be hashed for verification: FUNCTION shop.SHA1 does not exist',
    fix: "INSTALL COMPONENT 'file://component_classic_hashing'; (no restart; once on each server).",
  },
  SEC211: {
    title: 'the account may not read the log',
    severity: 'error',
    meaning:
      'The log is read as a replica reads it (REPLICATION SLAVE), from a position that is asked for first (REPLICATION CLIENT; MariaDB calls it BINLOG MONITOR).',
    example: "'dbps'@'%' may not read the log: REPLICATION SLAVE is missing",
    fix: "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'dbps'@'%';",
  },
  SEC212: {
    title: 'the account may not keep control tables',
    severity: 'error',
    meaning: 'dbps keeps its own tables in a database of the name dbps beside the data, on each server.',
    example: "'dbps'@'%' may not keep control tables in the database dbps",
    fix: "GRANT ALL ON dbps.* TO 'dbps'@'%';",
  },
  SEC213: {
    title: 'a privilege on the data is missing',
    severity: 'error',
    meaning:
      'Rows are read and applied, triggers created, keys dropped and put back, and in the end relations renamed: on legacy and in the service database, each for the relations that move.',
    example: "'dbps'@'%' lacks TRIGGER, ALTER on shop",
    fix: "GRANT TRIGGER, ALTER ON shop.* TO 'dbps'@'%';",
  },
  SEC214: {
    title: 'other sessions cannot be seen',
    severity: 'warning',
    meaning:
      'Without PROCESS a server shows only one’s own sessions: who holds up a cutover, and whether anybody still uses legacy, cannot be told.',
    example: "'dbps'@'%' does not see other sessions",
    fix: "GRANT PROCESS ON *.* TO 'dbps'@'%';",
  },
  TRG314: {
    title: 'capture by triggers does not see TRUNCATE',
    severity: 'warning',
    meaning:
      'With migration.capture: trigger changes are noted by row triggers. On the MySQL family TRUNCATE fires none, and neither do cascades that the server makes by itself (TRG312, refused). Rows that TRUNCATE took away stay on the other side until verify finds them; the relation is then copied again.',
    example: "TRUNCATE fires no trigger, so it is not captured; 'shop'@'%' may do it",
    fix: "REVOKE DROP ON shop.* FROM 'shop'@'%'; and DELETE instead of TRUNCATE while the service moves. DROP is the privilege that TRUNCATE takes.",
  },
  SEC215: {
    title: 'applications may not be able to read the route',
    severity: 'warning',
    meaning:
      'The router in an application asks dbps.route where a service lives. On MariaDB 10.11 and later dbps lets every account read it, if it may: that takes CREATE USER until somebody has granted anything to PUBLIC. Elsewhere it lets the accounts that read the database, if it may see them. Without either an application writes to the old owner until its fence refuses that, and then waits in vain.',
    example: "'dbps'@'%' can let neither every account read dbps.route nor see which accounts would have to",
    fix: "GRANT SELECT ON mysql.* TO 'dbps'@'%'; or grant each application’s account SELECT ON dbps.* on both servers.",
  },
  SEC216: {
    title: 'who holds a lock cannot be seen',
    severity: 'warning',
    meaning:
      'MySQL shows who waits for whom, and who has read a table in an open transaction, in performance_schema only. Without it dbps cannot end the sessions of a runner that is frozen in a transaction: a take-over waits until they end by themselves. Who still uses legacy relations is then told from the statements that are running at each look.',
    example: "'dbps'@'%' does not see who holds a lock",
    fix: "GRANT SELECT ON performance_schema.* TO 'dbps'@'%'; where it is off, performance_schema = ON in the configuration and a restart.",
  },
  SEC217: {
    title: 'code in the database cannot be seen',
    severity: 'warning',
    meaning:
      'Without EXECUTE and EVENT an account does not see that routines and events are there; with them it sees a routine and not what it does. Whether they write to what moves cannot be told then, and there is nothing that a service database could be given.',
    example: "'dbps'@'%' does not see the body of shop.close_orders",
    fix: "GRANT SHOW_ROUTINE ON *.* TO 'dbps'@'%'; (MySQL 8.0.20 and later), GRANT SELECT ON mysql.proc TO 'dbps'@'%'; (MariaDB).",
  },
  TRG313: {
    title: 'code that stays writes to relations that move',
    severity: 'warning',
    meaning:
      'An event, a routine or a trigger of a relation that stays writes to what moves. From the cutover on the fence refuses it, and the statement that set it off with it.',
    example: 'event shop.nightly, which stays, writes to shop.orders: from the cutover on it is refused',
    fix: 'Do its work in the service, and disable or rewrite it before the cutover.',
  },
} as const satisfies Record<string, FindingEntry>;
