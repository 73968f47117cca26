/** What stays in legacy and uses what leaves is found before anything is renamed: by the guard, not by the server's refusal to drop. */
import { afterEach, expect, test } from 'vitest';
import { noStayingDependants } from '../../src/migration/guards/no-staying-dependants.js';
import { createShop, type Shop } from '../support/move.js';

let shop: Shop | undefined;

afterEach(async () => {
  await shop?.drop();
  shop = undefined;
});

async function ask(from: Shop) {
  const runner = await from.runner();
  try {
    return await noStayingDependants.evaluate(
      runner.guardContext(runner.stepContext({}, runner.signal), 'sync'),
    );
  } finally {
    await runner.close();
  }
}

/** What the server would refuse to drop the tables for: nobody else's list is as complete. */
async function refusal(from: Shop): Promise<string | undefined> {
  const client = await from.legacy.connect();
  await client.query('BEGIN');
  const error = await client.query('DROP TABLE orders, order_items, order_events RESTRICT').then(
    () => undefined,
    (refused: Error & { detail?: string }) => refused.detail ?? refused.message,
  );
  await client.query('ROLLBACK');
  await client.end();
  return error;
}

test('whoever uses the row type of a leaving table is named with what to type, and nothing that the server objects to is missed', async () => {
  shop = await createShop();
  await shop.legacy.query(`
CREATE FUNCTION best(wanted integer) RETURNS SETOF orders LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT * FROM orders'; END $$;
CREATE FUNCTION "Weigh"(what order_items[]) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE VIEW nobody AS SELECT NULL::orders AS was;
CREATE MATERIALIZED VIEW totals AS SELECT sum(total) FROM orders;
CREATE DOMAIN an_order AS orders CHECK ((VALUE).id > 0);
CREATE TYPE pair AS (first orders, second order_items);
CREATE TABLE snapshots (id integer PRIMARY KEY, was orders);
`);
  const result = await ask(shop);
  if (result.outcome !== 'refused') throw new Error('the guard passed');
  expect([...new Set(result.findings.map(({ subject }) => subject))].sort()).toEqual([
    'public.Weigh(what public.order_items[])',
    'public.an_order',
    'public.best(wanted integer)',
    'public.nobody',
    'public.pair',
    'public.snapshots.was',
    'public.totals',
  ]);
  expect(await refusal(shop)).toContain('depends on');

  const drops = result.findings.flatMap(({ data }) =>
    data !== undefined && 'drop' in data ? [String(data['drop'])] : [],
  );
  for (const drop of new Set(drops)) await shop.legacy.query(drop);
  await shop.legacy.query('ALTER TABLE snapshots DROP COLUMN was');
  expect(await ask(shop)).toMatchObject({ outcome: 'ok' });
  expect(await refusal(shop)).toBeUndefined();
});

test('H20: a view follows the rename and goes on reading the frozen rows, so it is refused before', async () => {
  shop = await createShop();
  await shop.legacy.query('CREATE VIEW order_list AS SELECT code FROM orders');
  expect(await ask(shop)).toMatchObject({
    outcome: 'refused',
    findings: [{ subject: 'public.order_list', relation: 'public.orders' }],
  });
  // What would happen without the guard: no error, for ever the same rows.
  await shop.legacy.query('ALTER TABLE orders RENAME TO dbps_retired_orders');
  const [row] = await shop.legacy.query<{ n: string }>('SELECT count(*) AS n FROM order_list');
  expect(row?.n).toBe('2000');
});
