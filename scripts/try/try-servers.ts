/** Two private servers, one for shared databases and one for services, and a role without superuser for dbps and for the application. */
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.js';

export const OWNER = 'dbps';
const APPLICATION = 'app';

export interface TryServers {
  /** Makes a database on one of the two and tells its URL as the given role. */
  create(where: 'shared' | 'services', database: string): Promise<void>;
  url(where: 'shared' | 'services', database: string, role?: 'dbps' | 'app' | 'superuser'): string;
  stop(): Promise<void>;
}

export async function startTryServers(): Promise<TryServers> {
  const servers = await Promise.all([startEmbeddedPostgres(), startEmbeddedPostgres()]);
  const of = (where: 'shared' | 'services'): EmbeddedPostgres => servers[where === 'shared' ? 0 : 1];
  for (const server of servers)
    await as(server.url(), async (client) => {
      await client.query(`CREATE ROLE ${OWNER} LOGIN REPLICATION CREATEROLE NOSUPERUSER PASSWORD 'dbps'`);
      await client.query(`CREATE ROLE ${APPLICATION} LOGIN NOSUPERUSER PASSWORD 'app'`);
      await client.query(`GRANT ${APPLICATION} TO ${OWNER}`);
    });
  return {
    create: (where, database) =>
      as(of(where).url(), async (client) => {
        await client.query(`CREATE DATABASE ${database} OWNER ${OWNER}`);
      }),
    url: (where, database, role = 'dbps') => {
      if (role === 'superuser') return of(where).url(database);
      const { host, port } = of(where);
      return `postgres://${role}:${role}@${host}:${port}/${database}`;
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

export async function as<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function grantToApplication(client: pg.Client): Promise<void> {
  await client.query(`
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APPLICATION};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION}`);
}
