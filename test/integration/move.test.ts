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
