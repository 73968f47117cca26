/** Private servers for the demo: one for the shared database, one for each service, with the accounts that a managed service would give. */
import { randomBytes } from 'node:crypto';
import { findMariadb } from './find-mariadb.js';
import { withShopConnection } from './shop-connection.js';
import type { DemoVariant, ShopEngine } from './shop-engines.js';
import { APPLICATION, type Secrets, type ShopDatabase, type ShopServer } from './shop-server.js';
import { startMysqlShopServer } from './shop-server-mysql.js';
import { startPostgresShopServer } from './shop-server-postgres.js';
import {
  SHOP_SCHEMA,
  SHOP_SERVICES,
  SHOP_SERVICE_NAMES,
  SHOP_TRIGGER,
  shopRows,
  type ShopService,
} from './shop-schema.js';
import { MYSQL_SHOP_SCHEMA, MYSQL_SHOP_TRIGGERS, mysqlShopRows } from './shop-schema-mysql.js';

export interface ShopServers {
  readonly shared: ShopDatabase;
  readonly services: Readonly<Record<ShopService, ShopDatabase>>;
  stop(): Promise<void>;
}

const SHARED = 'shop';

/** @throws EmbeddedPostgresMissing, MariadbMissing before anything was started. */
export async function startShopServers(variant: DemoVariant): Promise<ShopServers> {
  const secrets: Secrets = { dbps: secret(), application: secret() };
  const engineOf = (name: string): ShopEngine =>
    name === SHARED ? variant.shared : variant.services[name as ShopService];
  const names = [SHARED, ...SHOP_SERVICE_NAMES];
  const program = names.some((name) => engineOf(name) === 'mysql') ? findMariadb() : '';
  const servers = new Map<string, ShopServer>();
  const stop = async (): Promise<void> => {
    await Promise.all([...servers.values()].map((server) => server.stop()));
  };
  // Two at a time: starting is what keeps two cores busy.
  const queue = [...names];
  const startNext = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift())
      servers.set(
        name,
        engineOf(name) === 'postgres'
          ? await startPostgresShopServer(name, secrets)
          : await startMysqlShopServer(name, secrets, program),
      );
  };
  const started = await Promise.allSettled([startNext(), startNext()]);
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    shared: servers.get(SHARED) as ShopServer,
    services: Object.fromEntries(SHOP_SERVICE_NAMES.map((name) => [name, servers.get(name)])) as Record<
      ShopService,
      ShopServer
    >,
    stop,
  };
}

/** Tables, rows, triggers, and what the application may do. @returns rows loaded. */
export function loadShop({ engine, url }: ShopDatabase, scale: number): Promise<number> {
  return withShopConnection(engine, url('dbps'), async (connection) => {
    const tables = Object.values(SHOP_SERVICES).flat();
    const statements =
      engine === 'postgres'
        ? [
            SHOP_SCHEMA,
            shopRows(scale),
            SHOP_TRIGGER,
            `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APPLICATION};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION};
             ANALYZE;`,
          ]
        : [
            ...MYSQL_SHOP_SCHEMA,
            ...mysqlShopRows(scale),
            ...MYSQL_SHOP_TRIGGERS,
            `ANALYZE TABLE ${tables.join(', ')}`,
          ];
    for (const statement of statements) await connection.query(statement);
    const counts = tables.map((table) => `(SELECT count(*) FROM ${table})`);
    const [row] = await connection.query(`SELECT ${counts.join(' + ')} AS n`);
    return Number(row?.['n']);
  });
}

function secret(): string {
  return randomBytes(12).toString('hex');
}
