import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { contents, createShop, type Shop } from '../support/move.js';
import { startTraffic } from '../support/shop-traffic.js';

let shop: Shop | undefined;

afterEach(async () => {
  await shop?.drop();
  shop = undefined;
});

test('forward to read-cutover under writes, back to planned, forward again', async () => {
  shop = await createShop();
  const traffic = startTraffic(shop.legacy.applicationUrl);
  try {
    for (const round of [1, 2]) {
      const runner = await shop.runner();
      try {
        await runner.advance('provisioned', {});
        await runner.advance('dual-write', {});
        expect((await runner.state()).phase).toBe('dual-write');
        await runner.advance('read-cutover', { reads: 10 });
        expect(await shop.store.route('orders')).toMatchObject({ owner: 'legacy', readShare: 10 });
        await runner.advance('read-cutover', { reads: 50 });
        expect(await shop.store.route('orders')).toMatchObject({ readShare: 50 });
        if (round === 1) {
          await runner.abort();
          expect((await runner.state()).phase).toBe('planned');
          expect(
            await shop.service.query("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
          ).toEqual([]);
          expect(
            await shop.legacy.query(
              'SELECT slot_name FROM pg_replication_slots WHERE database = current_database()',
            ),
          ).toEqual([]);
        } else {
          await traffic.stop();
          await runner.guardContext(runner.stepContext({}, runner.signal), 'read-cutover').verify('full');
          expect(await contents(shop.service)).toEqual(await contents(shop.legacy));
          await runner.abort();
        }
      } finally {
        await runner.close();
      }
    }
  } finally {
    await traffic.stop();
  }
  expect(traffic.errors).toEqual([]);
  expect(traffic.acknowledged).toBeGreaterThan(50);
});

test('a column added on the way is carried over with --apply-ddl, and no row is missed', async () => {
  shop = await createShop();
  const traffic = startTraffic(shop.legacy.applicationUrl, 2);
  const runner = await shop.runner();
  try {
    await runner.perform({ kind: 'advance', to: 'provisioned', parameters: {} });
    await runner.perform({ kind: 'advance', to: 'dual-write', parameters: {} });
    await shop.legacy.query("ALTER TABLE orders ADD COLUMN channel text DEFAULT 'web'");
    await shop.legacy.query("UPDATE orders SET channel = 'phone' WHERE id % 7 = 0");
    await expect(
      runner.perform({ kind: 'advance', to: 'read-cutover', parameters: {} }),
    ).rejects.toMatchObject({
      code: 'DBPS_E312',
      hint: 'dbps migrate resume orders --apply-ddl',
    });
    await runner.perform({ kind: 'resume', parameters: { applyDdl: true } });
    await runner.perform({ kind: 'advance', to: 'read-cutover', parameters: {} });
    await traffic.stop();
    await runner.guardContext(runner.stepContext({}, runner.signal), 'read-cutover').verify('full');
    expect(await contents(shop.service)).toEqual(await contents(shop.legacy));
    const [row] = await shop.service.query<{ n: string }>(
      "SELECT count(*) AS n FROM orders WHERE channel = 'phone'",
    );
    expect(Number(row?.n)).toBeGreaterThan(100);

    // What changes rows without a word in the log is not carried over.
    await shop.legacy.query('ALTER TABLE order_items ALTER COLUMN quantity TYPE bigint');
    await expect(runner.perform({ kind: 'resume', parameters: { applyDdl: true } })).rejects.toMatchObject({
      code: 'DBPS_E312',
      message: expect.stringContaining('not additive') as string,
    });
    await runner.perform({ kind: 'abort' });
  } finally {
    await traffic.stop();
    await runner.close();
  }
  expect(traffic.errors).toEqual([]);
});

test('what is written before the first chunk is kept while the tables have no keys yet', async () => {
  shop = await createShop();
  const { legacy, service } = shop;
  const runner = await shop.runner({
    at: async (point) => {
      if (point !== 'copy.planned') return;
      await legacy.query(
        "UPDATE orders SET note = 'kept' WHERE id <= 10; DELETE FROM order_items WHERE order_id = 11",
      );
      for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
        const [row] = await service.query<{ n: string }>('SELECT count(*) AS n FROM dbps.spool');
        if (row?.n !== '0') return;
        if (Date.now() > deadline) throw new Error('nothing was kept');
      }
    },
  });
  try {
    await runner.perform({ kind: 'advance', to: 'provisioned', parameters: {} });
    await runner.perform({ kind: 'advance', to: 'dual-write', parameters: {} });
    expect(await contents(service)).toEqual(await contents(legacy));
    await runner.perform({ kind: 'abort' });
  } finally {
    await runner.close();
  }
});
