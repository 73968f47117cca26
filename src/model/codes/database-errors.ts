import type { CodeEntry } from './catalogue.js';

/** E4xx: a database could not be used. Exit 4. */
export const DATABASE_ERRORS = {
  DBPS_E401: {
    title: 'the server cannot be reached',
    meaning:
      'No connection came about: the name is unknown, nobody listens there, or a firewall drops the packets.',
    example: 'postgres://dbps:***@db.internal:5432/shop: connection refused',
    fix: 'Check host and port, that the server runs and listens on that address, and the network between.',
  },
  DBPS_E402: {
    title: 'the server refuses user or password',
    meaning:
      'Authentication failed, or pg_hba.conf (MySQL: the account’s host) does not let this user in from here.',
    example: 'password authentication failed for user "dbps"',
    fix: 'Check user and password; a password with # / ? @ or % in a URL needs ${VAR|urlencode}. Replication connections need a pg_hba.conf line of their own.',
  },
  DBPS_E403: {
    title: 'the password could not be had',
    meaning: 'passwordCommand failed or took longer than 30 seconds. Its output is never shown.',
    example: 'passwordCommand ended with 1',
    fix: 'Run the command by hand as the same user, in the folder of dbps.yaml. It must print the password and nothing else.',
  },
  DBPS_E404: {
    title: 'there is no such database',
    meaning: 'The server answered, but does not know the database.',
    example: 'database "shopp" does not exist',
    fix: 'Correct the name. A service’s own database is created by dbps if its role has CREATEDB.',
  },
  DBPS_E405: {
    title: 'a privilege is missing',
    meaning:
      'The role may not do what this step needs. dbps needs no superuser; dbps doctor lists each missing privilege with the GRANT.',
    example: 'permission denied for table audit_log',
    fix: 'dbps doctor, then run the statements it prints as the owner or an administrator.',
  },
  DBPS_E406: {
    title: 'the server cannot do this',
    meaning: 'A feature that this step needs does not exist in this version or is not installed.',
    example: 'extension "citext" is not available',
    fix: 'Install the feature, upgrade the server, or leave the relation out of the plan.',
  },
  DBPS_E407: {
    title: 'too many connections',
    meaning:
      'The server has no connection left for this role: max_connections, a limit of the role, or reserved ones only.',
    example: 'remaining connection slots are reserved',
    fix: 'Free connections, raise max_connections, or lower migration.jobs.',
  },
  DBPS_E408: {
    title: 'the server is out of space or memory',
    meaning:
      'A disk is full, or a memory or configuration limit was reached. Everything committed before is kept.',
    example: 'could not extend file: No space left on device',
    fix: 'Make room, then run the same command again: it goes on where it stopped.',
  },
  DBPS_E409: {
    title: 'the connection was lost',
    meaning: 'The server closed the session, restarted, or the network broke.',
    example: 'terminating connection due to administrator command',
    fix: 'When the server is back, run the same command again: it goes on where it stopped.',
  },
  DBPS_E417: {
    title: 'part of the answer could not be had',
    meaning:
      'Some databases or relations could be looked at and others could not. What is known is in the report, but it is not everything, so the exit code is neither yes nor no.',
    example: '1 check could not look: postgres://dbps:***@orders-db:5432/orders: connection refused',
    fix: 'Mend what could not be checked, then run the same command again.',
  },
  DBPS_E418: {
    title: 'no replication slot or sender is free',
    meaning:
      'Each service needs one slot and one sender in each direction; all of max_replication_slots or max_wal_senders are taken.',
    example: 'all replication slots are in use',
    fix: 'Raise max_replication_slots and max_wal_senders (restart), or drop slots nobody uses: dbps doctor lists them.',
  },
  DBPS_E419: {
    title: 'the server cannot say what is written together',
    meaning:
      'analyze --observe decodes the log with test_decoding, which is in the contrib package of every PostgreSQL and on managed services. This server does not have it.',
    example: 'the server has no test_decoding',
    fix: 'Install the contrib package of the server, or give a statement log: dbps analyze --log <file>.',
  },
  DBPS_E424: {
    title: 'rows were refused while they were loaded',
    meaning:
      'MySQL’s LOAD DATA LOCAL goes on after a row that it cannot take: a key that is there already, a value that does not fit. dbps counts, and takes the whole chunk back.',
    example: 'shop.orders did not take every row as it is (1 refused): Duplicate entry for key ‘PRIMARY’',
    fix: 'Rows in the way: the target was not empty, dbps status says what it holds. Values that do not fit: the target’s columns differ from the plan, dbps plan diff shows how.',
  },
  DBPS_E411: {
    title: 'logical decoding is off',
    meaning: 'Changes are captured from the server’s log, which needs wal_level = logical.',
    example: 'logical decoding requires wal_level >= logical',
    fix: 'ALTER SYSTEM SET wal_level = logical; then restart. Managed services have a parameter for it, e.g. rds.logical_replication.',
  },
  DBPS_E412: {
    title: 'a closed fence refused a write',
    meaning:
      'The relation belongs to the other database now. This is what an application sees that still writes to the old place.',
    example: 'dbps: writes of orders go to service',
    fix: 'Point the application at the owner (dbps status), through dbps/router or a route hook.',
  },
  DBPS_E413: {
    title: 'the server is not ready',
    meaning: 'It is starting, shutting down, in recovery or read-only.',
    example: 'the database system is starting up',
    fix: 'Wait and run the command again; name the primary, not a replica.',
  },
  DBPS_E414: {
    title: 'a statement failed',
    meaning:
      'The server refused a statement for a reason that dbps does not know better than the server’s own words.',
    example: 'relation "orders" does not exist (42P01)',
    fix: 'Read the server’s message. If the schema changed since the plan: dbps plan diff.',
  },
  DBPS_E415: {
    title: 'a lock or statement took too long',
    meaning: 'A time limit ended a statement, mostly because somebody holds a lock.',
    example: 'canceling statement due to lock timeout',
    fix: 'dbps doctor lists long and prepared transactions. Then run the command again.',
  },
  DBPS_E416: {
    title: 'this kind of database is not in this build',
    meaning: 'The engine named by dbps.yaml or the URL is not one that this version can use.',
    example: 'no engine "mysql"',
    fix: 'dbps --version, and the release notes.',
  },
} as const satisfies Record<string, CodeEntry>;
