import pg from 'pg';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { APPLICATION, OPERATOR, type Secrets, type ShopServer } from './shop-server.js';

/** fsync is off in embedded servers: a demo's data need not survive a power cut. */
const SETTINGS = {
  shared_buffers: '96MB',
  max_connections: 100,
  max_wal_senders: 16,
  max_replication_slots: 16,
};

export async function startPostgresShopServer(database: string, secrets: Secrets): Promise<ShopServer> {
  const server = await startEmbeddedPostgres({ settings: SETTINGS });
  const client = new pg.Client({ connectionString: server.url() });
  try {
    await client.connect();
    await client.query(
      `CREATE ROLE ${OPERATOR} LOGIN REPLICATION NOSUPERUSER CREATEROLE PASSWORD '${secrets.dbps}'`,
    );
    await client.query(`CREATE ROLE ${APPLICATION} LOGIN NOSUPERUSER PASSWORD '${secrets.application}'`);
    await client.query(`GRANT ${APPLICATION} TO ${OPERATOR}`);
    await client.query(`CREATE DATABASE ${database} OWNER ${OPERATOR}`);
    await client.end();
  } catch (error) {
    await server.stop();
    throw error;
  }
  const as = (role: string, password: string): string =>
    `postgres://${role}:${password}@${server.host}:${server.port}/${database}`;
  return {
    engine: 'postgres',
    url: (account) =>
      account === 'superuser'
        ? server.url(database)
        : account === 'dbps'
          ? as(OPERATOR, secrets.dbps)
          : as(APPLICATION, secrets.application),
    stop: () => server.stop(),
  };
}
