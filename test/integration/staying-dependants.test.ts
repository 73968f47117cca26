/** What stays in legacy and uses what leaves is found before anything is renamed: by the guard, not by the server's refusal to drop. */
import { afterEach, expect, test } from 'vitest';
import { noStayingDependants } from '../../src/migration/guards/no-staying-dependants.js';
import { createShop, type Shop } from '../support/move.js';
import { createMysqlShop } from '../support/mysql-move.js';

type Anywhere = Pick<Shop, 'runner' | 'drop'>;

let shop: Shop | undefined;
let other: Anywhere | undefined;

afterEach(async () => {
  await shop?.drop();
  await other?.drop();
  shop = other = undefined;
});

async function ask(from: Anywhere) {
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

const dropsOf = (result: Awaited<ReturnType<typeof ask>>): ReadonlySet<string> =>
  new Set(
    result.outcome === 'refused'
      ? result.findings.flatMap(({ data }) =>
          data !== undefined && 'drop' in data ? [String(data['drop'])] : [],
        )
      : [],
  );

test('a trigger, a rule and a key that stay are named with the statement that takes them away, in an order that works', async () => {
  shop = await createShop();
  await shop.legacy.query(`
CREATE TABLE audit (id integer PRIMARY KEY, order_id bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET code = code; RETURN NULL; END $$;
CREATE TRIGGER "Note it" AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION note();
CREATE RULE keep AS ON DELETE TO audit DO ALSO DELETE FROM orders WHERE id = OLD.order_id;
ALTER TABLE audit ADD CONSTRAINT "of" FOREIGN KEY (order_id) REFERENCES orders (id);
`);
  const drops = dropsOf(await ask(shop));
  expect([...drops].sort()).toEqual([
    'ALTER TABLE "public"."audit" DROP CONSTRAINT "of";',
    'DROP FUNCTION "public"."note"();',
    'DROP RULE "keep" ON "public"."audit";',
    'DROP TRIGGER "Note it" ON "public"."audit";',
  ]);
  for (const drop of drops) await shop.legacy.query(drop);
  expect(await ask(shop)).toMatchObject({ outcome: 'ok' });
});

test('the trigger that stands for a crossing key on MySQL is named with its DROP, once more when the others are gone', async () => {
  const mysql = await createMysqlShop();
  other = mysql;
  const { legacy } = mysql;
  for (const statement of [
    'CREATE TABLE audit (id int PRIMARY KEY, order_id bigint)',
    'ALTER TABLE audit ADD CONSTRAINT `of` FOREIGN KEY (order_id) REFERENCES orders (id)',
    'CREATE TRIGGER audit_gone BEFORE DELETE ON audit FOR EACH ROW DELETE FROM orders WHERE id = OLD.order_id',
    'CREATE VIEW order_list AS SELECT code FROM orders',
  ])
    await legacy.query(statement);
  const first = [...dropsOf(await ask(mysql))];
  expect(first.sort()).toEqual([
    `ALTER TABLE \`${legacy.name}\`.\`audit\` DROP FOREIGN KEY \`of\`;`,
    `DROP TRIGGER \`${legacy.name}\`.\`audit_gone\`;`,
    `DROP VIEW \`${legacy.name}\`.\`order_list\`;`,
  ]);
  await legacy.query(first[2] ?? '');
  const second = [...dropsOf(await ask(mysql))];
  expect(second).toHaveLength(2);
  for (const drop of second) await legacy.query(drop);
  expect(await ask(mysql)).toEqual({
    outcome: 'ok',
    detail: 'nothing that stays depends on the relations',
  });
  // What root made without showing it: nobody can tell what it does.
  await mysql.server.query(`CREATE PROCEDURE \`${legacy.name}\`.purge() DELETE FROM orders WHERE id < 0`);
  expect(await ask(mysql)).toEqual({
    outcome: 'ok',
    detail: 'nothing that stays, as far as it can be seen, depends on the relations',
  });
});
