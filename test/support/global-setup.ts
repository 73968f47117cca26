/**
 * Private clusters for a test run, a pair for each file that runs at a time: one holds shared databases, one services (different system
 * identifiers). Files do not share a cluster: making a slot waits for every transaction of the cluster that has written, so a file whose
 * test holds one open would hold up the other, and two such files each other for ever.
 */
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.js';
import { FILES_AT_A_TIME } from './workers.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Superuser URLs, by `VITEST_POOL_ID` less one. */
    clusters: readonly { readonly legacy: string; readonly service: string }[];
  }
}

/** The role that tests run dbps as: not a superuser, owner of the databases it is given. */
export const ADMIN = { user: 'dbps_admin', password: 'p#ss/w?rd@%' } as const;
/** The application's role: owns nothing, never owns a table. */
export const APPLICATION = { user: 'shop_app', password: 'app' } as const;

async function prepare(server: EmbeddedPostgres): Promise<void> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  await client.query(
    `CREATE ROLE ${ADMIN.user} LOGIN REPLICATION CREATEDB CREATEROLE NOSUPERUSER PASSWORD '${ADMIN.password}'`,
  );
  await client.query(`CREATE ROLE ${APPLICATION.user} LOGIN NOSUPERUSER PASSWORD '${APPLICATION.password}'`);
  await client.query(`GRANT ${APPLICATION.user} TO ${ADMIN.user}`);
  await client.end();
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const settings = {
    synchronous_commit: 'off',
    max_connections: 300,
    shared_buffers: '64MB',
    max_prepared_transactions: 4,
  };
  const pairs = await Promise.all(
    Array.from({ length: FILES_AT_A_TIME }, async () => {
      const [legacy, service] = await Promise.all([
        startEmbeddedPostgres({ settings }),
        startEmbeddedPostgres({ settings }),
      ]);
      await Promise.all([prepare(legacy), prepare(service)]);
      return { legacy, service };
    }),
  );
  project.provide(
    'clusters',
    pairs.map(({ legacy, service }) => ({ legacy: legacy.url(), service: service.url() })),
  );
  return async () => {
    await Promise.all(pairs.flatMap(({ legacy, service }) => [legacy.stop(), service.stop()]));
  };
}
