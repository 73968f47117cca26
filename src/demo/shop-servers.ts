/** Private servers for the demo: one for the shared database, one for each service, with the roles that a managed service would give. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.js';
import { SHOP_SCHEMA, SHOP_SERVICE_NAMES, SHOP_TRIGGER, shopRows, type ShopService } from './shop-schema.js';

export interface ShopServers {
  /** As the role that dbps runs as: not a superuser. */
  readonly legacyUrl: string;
  readonly serviceUrls: Readonly<Record<ShopService, string>>;
  /** As the application: owns nothing. */
  readonly application: {
    readonly legacyUrl: string;
    readonly serviceUrls: Readonly<Record<ShopService, string>>;
  };
  /** Superuser URLs, for looking at what was left behind. */
  readonly superuser: {
    readonly legacyUrl: string;
    readonly serviceUrls: Readonly<Record<ShopService, string>>;
  };
  stop(): Promise<void>;
}

const OPERATOR = 'dbps';
const APPLICATION = 'shop_app';
const DATABASE = 'shop';

/** fsync is off in embedded servers: a demo's data need not survive a power cut. */
const SETTINGS = {
  shared_buffers: '96MB',
  max_connections: 100,
  max_wal_senders: 16,
  max_replication_slots: 16,
};

export async function startShopServers(): Promise<ShopServers> {
  const passwords: Readonly<Record<string, string>> = { [OPERATOR]: secret(), [APPLICATION]: secret() };
  // Two at a time: starting is what keeps two cores busy.
  const names = ['legacy', ...SHOP_SERVICE_NAMES] as const;
  const servers = new Map<string, EmbeddedPostgres>();
  const stop = async (): Promise<void> => {
    await Promise.all([...servers.values()].map((server) => server.stop()));
  };
  const queue = [...names];
  const startNext = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const server = await startEmbeddedPostgres({ settings: SETTINGS });
      servers.set(name, server);
      await prepare(server, name === 'legacy' ? DATABASE : name, passwords);
    }
  };
  const started = await Promise.allSettled([startNext(), startNext()]);
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }

  const urlOf = (name: string, role: string): string => {
    const server = servers.get(name) as EmbeddedPostgres;
    const database = name === 'legacy' ? DATABASE : name;
    if (role === 'postgres') return server.url(database);
    return `postgres://${role}:${passwords[role]}@${server.host}:${server.port}/${database}`;
  };
  const urls = (role: string) => ({
    legacyUrl: urlOf('legacy', role),
    serviceUrls: Object.fromEntries(SHOP_SERVICE_NAMES.map((name) => [name, urlOf(name, role)])) as Record<
      ShopService,
      string
    >,
  });
  return { ...urls(OPERATOR), application: urls(APPLICATION), superuser: urls('postgres'), stop };
}

/** Tables, rows, trigger, and what the application may do. @returns rows loaded. */
export async function loadShop(legacyUrl: string, scale: number): Promise<number> {
  const client = new pg.Client({ connectionString: legacyUrl });
  await client.connect();
  try {
    await client.query(SHOP_SCHEMA);
    await client.query(shopRows(scale));
    await client.query(SHOP_TRIGGER);
    await client.query(`
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${APPLICATION};
      GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${APPLICATION};
      ANALYZE;`);
    const { rows } = await client.query<{ rows: string }>(
      "SELECT sum(reltuples)::bigint AS rows FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    );
    return Number(rows[0]?.rows);
  } finally {
    await client.end();
  }
}

async function prepare(
  server: EmbeddedPostgres,
  database: string,
  passwords: Readonly<Record<string, string>>,
): Promise<void> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  try {
    await client.query(
      `CREATE ROLE ${OPERATOR} LOGIN REPLICATION NOSUPERUSER CREATEROLE PASSWORD '${passwords[OPERATOR]}'`,
    );
    await client.query(`CREATE ROLE ${APPLICATION} LOGIN NOSUPERUSER PASSWORD '${passwords[APPLICATION]}'`);
    await client.query(`GRANT ${APPLICATION} TO ${OPERATOR}`);
    await client.query(`CREATE DATABASE ${database} OWNER ${OPERATOR}`);
  } finally {
    await client.end();
  }
}

function secret(): string {
  return randomBytes(12).toString('hex');
}
