/** What PostgreSQL has counted, on a server of its own: pg_stat_statements must be loaded at its start. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { analyze } from '../../src/app/analyze.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresWorkload } from '../../src/engines/postgres/postgres-workload.js';
import type { ServerWorkload } from '../../src/engines/usage.js';
import { ConnectionTarget } from '../../src/model/connection-target.js';

const SCHEMA = `
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, total numeric);
CREATE TABLE events (at date NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO shop_app;`;

let server: EmbeddedPostgres;

beforeAll(async () => {
  server = await startEmbeddedPostgres({
    settings: { shared_preload_libraries: 'pg_stat_statements', max_connections: 40 },
  });
  await root(
    'postgres',
    `CREATE ROLE shop_app LOGIN PASSWORD 'app'; CREATE ROLE analyst LOGIN PASSWORD 'app'; CREATE ROLE looker LOGIN PASSWORD 'app';
     GRANT pg_read_all_stats, pg_read_all_data TO analyst`,
  );
  for (const name of ['shop', 'bare']) {
    await root('postgres', `CREATE DATABASE ${name}`);
    await root(name, SCHEMA);
  }
  await root('shop', 'CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats');
  const app = await connect('shop', 'shop_app');
  for (let id = 1; id <= 3; id++) {
    await app.query('INSERT INTO customers VALUES ($1, $2)', [id, 'somebody']);
    await app.query(`INSERT INTO orders VALUES (${id}, ${id}, 10)`);
  }
  await app.query("INSERT INTO events VALUES ('2026-05-01', 'x'), ('2026-06-01', 'y')");
  await app.query('SELECT c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 2');
  await app.end();
  await root('shop', 'GRANT USAGE ON SCHEMA stats TO analyst');
});
afterAll(async () => server.stop());

async function connect(database: string, user?: string): Promise<pg.Client> {
  const url = new URL(server.url(database));
  const client = new pg.Client({
    host: url.hostname,
    port: Number(url.port),
    database,
    user: user ?? server.user,
    password: user === undefined ? server.password : 'app',
  });
  await client.connect();
  return client;
}

async function root(database: string, sql: string): Promise<void> {
  const client = await connect(database);
  await client.query(sql).finally(() => client.end());
}

const targetOf = (database: string, user: string) =>
  new ConnectionTarget({
    engine: 'postgres',
    host: server.host,
    port: server.port,
    user,
    database,
    password: async () => 'app',
    tls: false,
    parameters: {},
  });

async function read(database: string, user: string): Promise<ServerWorkload> {
  const pool = await SessionPool.open(targetOf(database, user), { applicationName: 'test', readOnly: true });
  try {
    return await new PostgresWorkload(pool).read();
  } finally {
    await pool.close();
  }
}

test('statements with their calls, time and user; values have gone', async () => {
  // The counters reach the shared statistics when a session is idle for a moment, or ends.
  const workload = await read('shop', 'analyst');
  expect(workload.source).toBe('pg_stat_statements');
  expect(workload.gaps).toEqual([]);
  const orders = workload.statements.find(({ sql }) => sql.startsWith('INSERT INTO orders'));
  expect(orders).toMatchObject({ calls: 3, user: 'shop_app' });
  expect(orders?.sql).not.toContain('10');
  expect(orders?.totalMs).toBeGreaterThan(0);
  expect(workload.statementsForMs).toBeGreaterThan(0);
});

test('rows written, by leaf, and since when', async () => {
  const { writes } = await read('shop', 'analyst');
  const rows = new Map(writes?.relations.map((found) => [found.relation, found.rows]));
  expect(rows.get('public.customers')).toBe(3);
  expect(rows.get('public.events_2026')).toBe(2);
  expect(writes?.forMs).toBeGreaterThan(0);
});

test('connections that ordinary roles share', async () => {
  const workload = await read('shop', 'analyst');
  expect(workload.maxConnections).toBe(37);
  expect(workload.usedConnections).toBeGreaterThan(0);
});

describe('what may not be seen is a gap with what would close it', () => {
  test('not installed in this database', async () => {
    const workload = await read('bare', 'analyst');
    expect(workload).toMatchObject({ source: null, statements: [] });
    expect(workload.gaps.map((gap) => gap.what)).toEqual(['statements']);
    expect(workload.gaps[0]?.remedy).toContain('CREATE EXTENSION pg_stat_statements');
  });

  test('a schema that the role may not enter', async () => {
    const { gaps } = await read('shop', 'looker');
    expect(gaps[0]?.remedy).toContain('GRANT USAGE ON SCHEMA "stats" TO "looker"');
  });

  test('texts of other users: once granted, the remedy shows them', async () => {
    await root('shop', 'GRANT USAGE ON SCHEMA stats TO looker');
    const before = await read('shop', 'looker');
    expect(before.statements.some(({ user }) => user === 'shop_app')).toBe(false);
    const [gap] = before.gaps.filter(({ what }) => what === 'texts');
    expect(gap?.reason).toContain('shop_app');
    await root('shop', gap?.remedy ?? '');
    const after = await read('shop', 'looker');
    expect(after.gaps).toEqual([]);
    expect(after.statements.some(({ user }) => user === 'shop_app')).toBe(true);
  });
});

test('analyze of a live database takes it all in by itself, unless told not to', async () => {
  const source = { kind: 'live', target: targetOf('shop', 'analyst') } as const;
  const pins = {
    services: { crm: ['public.customers'], sales: ['public.orders', 'public.events'] },
    together: [],
    apart: [],
    shared: [],
  };
  const { analysis, workload } = await analyze({ source, pins, poolSize: 30 });
  expect(workload).toMatchObject({ source: 'pg_stat_statements' });
  expect(analysis.crossings.find(({ kind }) => kind === 'query')?.subject).toContain('JOIN customers');
  const sales = analysis.services.find(({ name }) => name === 'sales');
  expect(sales?.writes?.rows).toBe(5);
  expect(sales?.writes?.perSecond).toBeGreaterThan(0);
  expect(sales?.users.find(({ name }) => name === 'shop_app')).toEqual({
    name: 'shop_app',
    reads: true,
    writes: true,
    isSeen: true,
  });
  expect(analysis.connections).toMatchObject({ most: 37, pool: 30, wanted: 60, fits: false });
  const codes = analysis.findings.map(({ code }) => code);
  expect(codes).toEqual(expect.arrayContaining(['BND116', 'BND161']));

  const without = await analyze({ source, pins, readWorkload: false });
  expect(without.workload).toMatchObject({ source: null, statements: 0 });
  expect(without.analysis.crossings.some(({ kind }) => kind === 'query')).toBe(false);

  const bare = await analyze({ source: { kind: 'live', target: targetOf('bare', 'analyst') }, pins });
  expect(bare.analysis.findings.find(({ code }) => code === 'BND160')?.subject).toBe('statements');
});
