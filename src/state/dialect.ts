/** The few words in which the state store's databases differ. */
import type { Knex } from 'knex';

interface Dialect {
  /** The server's clock at this instant (not the transaction's start). */
  readonly clock: string;
  /** One process at a time from here to the end of the transaction. */
  lockInstall(transaction: Knex.Transaction): Promise<void>;
  createSchema(transaction: Knex.Transaction): Promise<void>;
}

const POSTGRES: Dialect = {
  clock: 'clock_timestamp()',
  lockInstall: async (transaction) => {
    // The same lock as the control tables' install: both create the schema, and IF NOT EXISTS alone races in the catalogue.
    await transaction.raw("SELECT pg_advisory_xact_lock(hashtextextended('dbps.install', 0))");
  },
  createSchema: async (transaction) => {
    const { rows } = await transaction.raw<{ rows: { found: boolean }[] }>(
      "SELECT to_regnamespace('dbps') IS NOT NULL AS found",
    );
    // Asked first: IF NOT EXISTS needs the right to create schemas even when there is nothing to create.
    if (rows[0]?.found !== true) await transaction.raw('CREATE SCHEMA dbps');
  },
};

const MYSQL: Dialect = {
  clock: 'SYSDATE(6)',
  lockInstall: async (transaction) => {
    // Named locks belong to the session; the row lock below is what ends with the transaction.
    await transaction.raw('CREATE DATABASE IF NOT EXISTS dbps');
    await transaction.raw('CREATE TABLE IF NOT EXISTS dbps.install_lock (id int PRIMARY KEY)');
    await transaction.raw('INSERT IGNORE INTO dbps.install_lock VALUES (1)');
    await transaction.raw('SELECT id FROM dbps.install_lock WHERE id = 1 FOR UPDATE');
  },
  createSchema: async () => undefined,
};

export function dialectOf(database: Knex): Dialect {
  return (database.client as { config: { client: string } }).config.client === 'pg' ? POSTGRES : MYSQL;
}

/** The database's clock: leases are judged by one clock, whatever the runners' say. */
export async function readClock(database: Knex): Promise<Date> {
  const [row] = await database.select<{ at: Date }[]>(database.raw(`${dialectOf(database).clock} AS at`));
  if (row === undefined) throw new Error('the server did not tell the time');
  return new Date(row.at);
}
