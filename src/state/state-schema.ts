/**
 * The state store's tables and how they came to be, one function a version. A migration runs in one transaction behind a lock that
 * belongs to that transaction, so two first commands at once leave one set of tables; knex's own migration lock is a row that a killed
 * process leaves behind.
 */
import type { Knex } from 'knex';
import { RefusedError } from '../model/errors.js';
import { dialectOf } from './dialect.js';

/** Each passes over what is there already: where DDL commits by itself, a migration may have been cut off in its middle. */
type Migration = (schema: () => Knex.SchemaBuilder, database: Knex) => Promise<void>;

const MIGRATIONS: readonly Migration[] = [createFirst];

export const STATE_TABLES = ['journal', 'request', 'plan', 'service', 'state_version'] as const;

/** @throws RefusedError E302 when the tables were made by a newer dbps. */
export async function installStateTables(database: Knex): Promise<void> {
  if ((await readVersion(database)) === MIGRATIONS.length) return;
  const dialect = dialectOf(database);
  await dialect.install(database, async (transaction) => {
    await dialect.createSchema(transaction);
    const schema = () => transaction.schema.withSchema('dbps');
    if (!(await schema().hasTable('state_version'))) {
      await schema().createTable('state_version', (table) => {
        table.integer('version').primary();
        dialect.instant(table, 'at').notNullable().defaultTo(transaction.fn.now(6));
      });
    }
    const found = (await readVersion(transaction)) ?? 0;
    if (found > MIGRATIONS.length) throw tooNew(found);
    for (let version = found; version < MIGRATIONS.length; version++) {
      await (MIGRATIONS[version] as Migration)(schema, transaction);
      await transaction
        .withSchema('dbps')
        .table('state_version')
        .insert({ version: version + 1 });
    }
  });
}

/** @returns null when there is no state store. @throws RefusedError E302 when it is newer than this dbps. */
export async function readVersion(database: Knex): Promise<number | null> {
  if (!(await database.schema.withSchema('dbps').hasTable('state_version'))) return null;
  const row = (await database.withSchema('dbps').table('state_version').max('version as version').first()) as
    { version: number | null } | undefined;
  const version = Number(row?.version ?? 0);
  if (version > MIGRATIONS.length) throw tooNew(version);
  return version;
}

function tooNew(version: number): RefusedError {
  return new RefusedError({
    code: 'DBPS_E302',
    message: `the state store is at version ${version}, this dbps knows ${MIGRATIONS.length}`,
    hint: 'use the dbps that wrote it, or a newer one',
  });
}

async function createFirst(schema: () => Knex.SchemaBuilder, database: Knex): Promise<void> {
  const at = dialectOf(database).instant;
  const now = database.fn.now(6);
  const create = async (name: string, build: (table: Knex.CreateTableBuilder) => void) => {
    if (!(await schema().hasTable(name))) await schema().createTable(name, build);
  };
  await create('plan', (table) => {
    table.string('hash', 64).primary();
    table.text('text', 'longtext').notNullable();
    at(table, 'accepted_at').notNullable().defaultTo(now);
  });
  // Phase, activity and lease of a service in one row: its lock is what every fenced write takes.
  await create('service', (table) => {
    table.string('service', 63).primary();
    table.string('phase', 20).notNullable().defaultTo('planned');
    table.string('target', 20);
    table.string('activity', 10).notNullable().defaultTo('idle');
    table.text('reason');
    table.string('plan_hash', 64).notNullable();
    table.bigInteger('epoch').notNullable().defaultTo(0);
    at(table, 'soak_started_at');
    at(table, 'updated_at').notNullable().defaultTo(now);
    table.string('lease_holder', 200);
    table.string('lease_host', 200);
    table.integer('lease_ms');
    at(table, 'heartbeat_at');
    at(table, 'lease_expires_at');
    table.json('progress');
    at(table, 'progress_at');
    table.json('legacy_shape');
    table.json('target_shape');
  });
  await create('journal', (table) => {
    table.bigIncrements('id');
    table.string('service', 63).notNullable().index();
    table.string('transition', 60).notNullable();
    table.string('step', 60).notNullable();
    table.string('event', 10).notNullable();
    table.text('detail');
    table.json('data');
    table.bigInteger('epoch').notNullable();
    table.string('holder', 200).notNullable();
    at(table, 'at').notNullable();
  });
  await create('request', (table) => {
    table.bigIncrements('id');
    table.string('service', 63).notNullable().index();
    table.string('kind', 10).notNullable();
    table.json('parameters').notNullable();
    table.string('state', 10).notNullable().defaultTo('filed');
    table.json('result');
    table.string('filed_by', 200).notNullable();
    at(table, 'filed_at').notNullable().defaultTo(now);
    at(table, 'finished_at');
  });
}
