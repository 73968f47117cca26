/** Two private clusters for a test run: one holds shared databases, one services (different system identifiers). */
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.js';

declare module 'vitest' {
  export interface ProvidedContext {
    legacyServer: string;
    serviceServer: string;
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
  const settings = { synchronous_commit: 'off', max_connections: 300, shared_buffers: '64MB' };
  const [legacy, service] = await Promise.all([
    startEmbeddedPostgres({ settings }),
    startEmbeddedPostgres({ settings }),
  ]);
  await Promise.all([prepare(legacy), prepare(service)]);
  project.provide('legacyServer', legacy.url());
  project.provide('serviceServer', service.url());
  return async () => {
    await Promise.all([legacy.stop(), service.stop()]);
  };
}
