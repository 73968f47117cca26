/** The few words in which the state store's databases differ. */
import type { Knex } from 'knex';
import type { EngineName } from '../model/database-schema.js';
import { RefusedError } from '../model/errors.js';

interface Dialect {
  /** The server's clock at this instant (not the transaction's start). */
  readonly clock: string;
  /** Runs in every new session, before anything else. */
  readonly sessionSettings: readonly string[];
  /** One process at a time runs `work`, in one transaction where the server's DDL knows such a thing. */
  install(database: Knex, work: (session: Knex.Transaction) => Promise<void>): Promise<void>;
  createSchema(session: Knex.Transaction): Promise<void>;
  /** A column for an instant, microseconds. */
  readonly instant: (table: Knex.CreateTableBuilder, name: string) => Knex.ColumnBuilder;
}

const POSTGRES: Dialect = {
  clock: 'clock_timestamp()',
  // Limits for applications that older servers do not know, and would refuse at the start of a session.
  sessionSettings: [
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'",
  ],
  install: (database, work) =>
    database.transaction(async (session) => {
      // The same lock as the control tables' install: both create the schema, and IF NOT EXISTS alone races in the catalogue.
      await session.raw("SELECT pg_advisory_xact_lock(hashtextextended('dbps.install', 0))");
      await work(session);
    }),
  createSchema: async (session) => {
    const { rows } = await session.raw<{ rows: { found: boolean }[] }>(
      "SELECT to_regnamespace('dbps') IS NOT NULL AS found",
    );
    // Asked first: IF NOT EXISTS needs the right to create schemas even when there is nothing to create.
    if (rows[0]?.found !== true) await session.raw('CREATE SCHEMA dbps');
  },
  instant: (table, name) => table.timestamp(name, { useTz: true, precision: 6 }),
};

const MYSQL: Dialect = {
  clock: 'SYSDATE(6)',
  // Instants are kept as UTC without a zone: the server's own zone must not come into it.
  // A frozen process must not keep the lease's row locked (MariaDB only: MySQL has no such limit).
  // What servers are set to for applications must not come into it either.
  sessionSettings: [
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE',
    `SET SESSION time_zone = '+00:00', SESSION autocommit = 1, SESSION completion_type = 0, SESSION sql_safe_updates = 0,
      SESSION sql_select_limit = 18446744073709551615 /*M!100300 , SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 30 */`,
  ],
  // Each DDL statement commits and so gives up row locks: a named lock belongs to the session and goes with it.
  install: (database, work) =>
    database.transaction(async (session) => {
      const answer = (await session.raw("SELECT GET_LOCK('dbps.install', 60) AS got")) as [
        { got: number | null }[],
      ];
      if (answer[0][0]?.got !== 1)
        throw new RefusedError({
          code: 'DBPS_E301',
          message: 'another process has been installing the control tables for more than a minute',
          hint: "SELECT IS_USED_LOCK('dbps.install'); tells its connection",
        });
      try {
        await work(session);
      } finally {
        await session.raw("SELECT RELEASE_LOCK('dbps.install')");
      }
    }),
  createSchema: async (session) => {
    const [found] = (await session.raw(
      "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'dbps'",
    )) as [unknown[]];
    if (found.length === 0)
      await session.raw(
        'CREATE DATABASE IF NOT EXISTS dbps DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
      );
  },
  instant: (table, name) => table.datetime(name, { precision: 6 }),
};

export function sessionSettings(engine: EngineName): readonly string[] {
  return (engine === 'postgres' ? POSTGRES : MYSQL).sessionSettings;
}

export function dialectOf(database: Knex): Dialect {
  return (database.client as { config: { client: string } }).config.client === 'pg' ? POSTGRES : MYSQL;
}

/** The database's clock: leases are judged by one clock, whatever the runners' say. */
export async function readClock(database: Knex): Promise<Date> {
  const [row] = await database.select<{ at: Date }[]>(database.raw(`${dialectOf(database).clock} AS at`));
  if (row === undefined) throw new Error('the server did not tell the time');
  return new Date(row.at);
}
