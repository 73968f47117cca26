/** Private servers, one for shared databases and one for services of each engine that is tried, and accounts without superuser for dbps and the application. */
import { startEmbeddedPostgres } from '../../src/demo/embedded-postgres.js';
import { findMariadb } from '../../src/demo/find-mariadb.js';
import { startPrivateMariadb } from '../../src/demo/private-mariadb.js';
import { withShopConnection, type ShopConnection } from '../../src/demo/shop-connection.js';
import type { ShopEngine } from '../../src/demo/shop-engines.js';
import type { TrafficPlace } from './generic-traffic.js';

export const OWNER = 'dbps';
const APPLICATION = 'app';

export type Where = 'shared' | 'services';
export type TryRole = 'dbps' | 'app' | 'superuser';

interface TryServer {
  readonly host: string;
  readonly port: number;
  readonly url: (database?: string) => string;
  readonly stop: () => Promise<void>;
}

export class TryServers {
  readonly #servers = new Map<string, TryServer>();

  private constructor(private readonly engines: readonly ShopEngine[]) {}

  static async start(engines: readonly ShopEngine[]): Promise<TryServers> {
    const servers = new TryServers(engines);
    try {
      for (const engine of engines)
        for (const where of ['shared', 'services'] as const) await servers.#start(where, engine);
    } catch (error) {
      await servers.stop();
      throw error;
    }
    return servers;
  }

  async #start(where: Where, engine: ShopEngine): Promise<void> {
    const server: TryServer =
      engine === 'postgres'
        ? await startEmbeddedPostgres()
        : await startPrivateMariadb({
            program: findMariadb(),
            settings: { 'log-bin-trust-function-creators': 1 },
          });
    this.#servers.set(`${where} ${engine}`, server);
    await withShopConnection(engine, server.url(), async ({ query }) => {
      for (const statement of ACCOUNTS[engine]) await query(statement);
    });
  }

  /** Makes a database there, for dbps's account and for the application. */
  async create(where: Where, engine: ShopEngine, database: string): Promise<void> {
    await withShopConnection(engine, this.#at(where, engine).url(), async ({ query }) => {
      if (engine === 'postgres') {
        await query(`CREATE DATABASE ${database} OWNER ${OWNER}`);
        return;
      }
      await query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
      await query(`GRANT ALL ON ${database}.* TO ${OWNER}@'%' WITH GRANT OPTION`);
      await query(`GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON ${database}.* TO ${APPLICATION}@'%'`);
    });
  }

  place(where: Where, engine: ShopEngine, database: string, role: TryRole = 'dbps'): TrafficPlace {
    const server = this.#at(where, engine);
    const scheme = engine === 'postgres' ? 'postgres' : 'mysql';
    return {
      engine,
      url:
        role === 'superuser'
          ? server.url(database)
          : `${scheme}://${role}:${role}@${server.host}:${server.port}/${database}`,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
  }

  #at(where: Where, engine: ShopEngine): TryServer {
    const server = this.#servers.get(`${where} ${engine}`);
    if (server === undefined)
      throw new Error(`no ${engine} server was started, only ${this.engines.join(', ')}`);
    return server;
  }
}

const ACCOUNTS: Readonly<Record<ShopEngine, readonly string[]>> = {
  postgres: [
    `CREATE ROLE ${OWNER} LOGIN REPLICATION CREATEROLE NOSUPERUSER PASSWORD '${OWNER}'`,
    `CREATE ROLE ${APPLICATION} LOGIN NOSUPERUSER PASSWORD '${APPLICATION}'`,
    `GRANT ${APPLICATION} TO ${OWNER}`,
  ],
  mysql: [
    `CREATE USER ${OWNER}@'%' IDENTIFIED BY '${OWNER}'`,
    `CREATE USER ${APPLICATION}@'%' IDENTIFIED BY '${APPLICATION}'`,
    `GRANT REPLICATION SLAVE, REPLICATION CLIENT, PROCESS ON *.* TO ${OWNER}@'%'`,
    `GRANT SELECT ON mysql.* TO ${OWNER}@'%'`,
    `GRANT ALL ON dbps.* TO ${OWNER}@'%' WITH GRANT OPTION`,
  ],
};

export function as<T>(
  { engine, url }: TrafficPlace,
  work: (connection: ShopConnection) => Promise<T>,
): Promise<T> {
  return withShopConnection(engine, url, work);
}

/** On MySQL the grants on a database do. */
export async function grantToApplication({ engine, query }: ShopConnection): Promise<void> {
  if (engine === 'postgres')
    await query(`
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APPLICATION};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION}`);
}
