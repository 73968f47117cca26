/** The router through real cutovers and a rollback: an application that knows only it loses nothing, makes nothing twice and reads what it wrote. */
import knexFactory from 'knex';
import { afterEach, expect, test } from 'vitest';
import { createRouter, type Router } from '../../src/router/index.js';
import { createShop, type Shop } from '../support/move.js';

let shop: Shop | undefined;
let router: Router<'orders'> | undefined;

afterEach(async () => {
  await router?.close();
  router = undefined;
  await shop?.drop();
  shop = undefined;
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('clients follow a service there, back and there again', async () => {
  shop = await createShop();
  const { legacy, service } = shop;
  const database = (connection: string) => ({ client: 'pg', connection, pool: { min: 0, max: 8 } });
  router = await createRouter({
    legacy: database(legacy.applicationUrl),
    services: { orders: database(service.applicationUrl) },
  });
  const app = router;
  const owners: (string | undefined)[] = [];
  app.onRouteChange(({ from, to }) => {
    if (from?.owner !== to?.owner) owners.push(to?.owner);
  });

  const lines = new Map<string, number>();
  let stale = 0;
  let isOver = false;
  const clients = Array.from({ length: 6 }, async (_, n) => {
    const session = app.session(`client ${n}`);
    for (let serial = 0; !isOver; serial += 1) {
      const code = `r${n}-${serial}`;
      const id = await session.transaction('orders', async (trx) => {
        const rows: { id: string }[] = await trx('orders')
          .insert({ user_id: 1 + n, code })
          .returning('id');
        await trx('order_items').insert({ order_id: rows[0]?.id, line: 1, product: code, quantity: 1 });
        return rows[0]?.id;
      });
      lines.set(code, 1);
      await session.writes('orders')('order_items').where({ order_id: id, line: 1 }).increment('quantity', 1);
      lines.set(code, 2);
      const read = await session
        .reads('orders', { relation: 'order_items' })<{ order_id: string | undefined; quantity: number }>(
          'order_items',
        )
        .where({ order_id: id })
        .first('quantity');
      if (read?.quantity !== 2) stale += 1;
      await pause(2);
    }
  });
  const failed = Promise.all(clients);
  failed.catch(() => undefined);

  const runner = await shop.runner();
  try {
    await runner.advance('provisioned', {});
    await runner.advance('dual-write', {});
    await runner.advance('read-cutover', { reads: 50 });
    await pause(200);
    await runner.advance('write-cutover', {});
    await pause(200);
    await runner.rollback('read-cutover', {});
    await pause(200);
    await runner.advance('write-cutover', {});
    await pause(200);
    isOver = true;
    await failed;

    const rows = await service.query<{ code: string; quantity: number }>(
      "SELECT code, sum(quantity)::int AS quantity FROM orders JOIN order_items ON order_id = id WHERE code LIKE 'r%' GROUP BY id, code",
    );
    expect(rows.length).toBe(lines.size);
    expect(new Map(rows.map((row) => [row.code, row.quantity]))).toEqual(lines);
    expect(lines.size).toBeGreaterThan(50);
    expect(stale).toBe(0);
    expect(owners).toEqual(['legacy', 'service', 'legacy', 'service']);
    // A knex that the application made itself is left to it.
    const own = knexFactory(database(service.applicationUrl));
    const other = await createRouter({ legacy: database(legacy.applicationUrl), services: { orders: own } });
    await other.close();
    expect(await own('orders').count({ n: '*' }).first()).toMatchObject({ n: expect.any(String) as string });
    await own.destroy();
    await runner.rollback('read-cutover', {});
    await runner.abort();
  } finally {
    isOver = true;
    await failed.catch(() => undefined);
    await runner.close();
  }
});
