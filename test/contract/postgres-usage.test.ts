/** Who has used a relation, from the server's own count of statements. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readUsage } from '../../src/engines/postgres/postgres-usage.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.js';
import { countedSince } from '../../src/migration/legacy-access.js';

let server: EmbeddedPostgres;
let root: pg.Client;
let dbps: pg.Client;
let app: pg.Client;

beforeAll(async () => {
  server = await startEmbeddedPostgres({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  root = new pg.Client({ connectionString: server.url() });
  await root.connect();
  await root.query(`CREATE ROLE mover LOGIN PASSWORD 'm'; CREATE ROLE shop LOGIN PASSWORD 's';
    CREATE TABLE orders (id int PRIMARY KEY, "Odd ""Name" text); CREATE TABLE users (id int PRIMARY KEY, orders int);
    CREATE SCHEMA other; CREATE TABLE other.orders (id int);
    GRANT USAGE ON SCHEMA other TO shop; GRANT ALL ON ALL TABLES IN SCHEMA public, other TO mover, shop`);
  const as = async (user: string, password: string) => {
    const url = new URL(server.url());
    url.username = user;
    url.password = password;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    return client;
  };
  [dbps, app] = await Promise.all([as('mover', 'm'), as('shop', 's')]);
});
afterAll(async () => {
  await Promise.all([root, dbps, app].map((client) => client.end()));
  await server.stop();
});

const look = () => readUsage(dbps, ['public.orders']);

test('what the server cannot tell is said, with what would let it', async () => {
  expect(await look()).toEqual({
    counts: null,
    reason: 'pg_stat_statements is not installed in this database',
  });
  await root.query('CREATE EXTENSION pg_stat_statements');
  await app.query('SELECT count(*) FROM orders');
  expect((await look()).reason).toContain('GRANT pg_read_all_stats');
});

test('statements of others that read or write the relation are counted, others are not', async () => {
  await root.query('GRANT pg_read_all_stats TO mover; SELECT pg_stat_statements_reset()');
  await dbps.query('SELECT count(*) FROM orders');
  await app.query('SELECT sum(orders) FROM users');
  await app.query('SELECT count(*) FROM other.orders');
  expect((await look()).counts).toEqual([]);
  await app.query('SELECT o.id FROM users u JOIN orders o USING (id)');
  await app.query('DELETE FROM public.orders WHERE id = 7');
  const first = await look();
  expect(first.counts?.map(({ user, calls }) => [user, calls])).toEqual([
    ['shop', 1],
    ['shop', 1],
  ]);
  const before = Object.fromEntries(first.counts?.map(({ id, calls }) => [id, calls]) ?? []);
  expect(countedSince(before, await look())).toEqual([]);
  await app.query('DELETE FROM public.orders WHERE id = 8');
  expect(countedSince(before, await look())).toEqual(['shop (1 statements)']);
  // A counter that was reset counts from nothing again.
  await root.query('SELECT pg_stat_statements_reset()');
  await app.query('DELETE FROM public.orders WHERE id = 9');
  expect(countedSince(before, await look())).toEqual(['shop (1 statements)']);
});
