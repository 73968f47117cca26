/** Guards that refuse before anything is changed, asked on real databases. */
import { afterEach, expect, test } from 'vitest';
import { createShop, SHOP, type Shop } from '../support/move.js';

let shop: Shop | undefined;

afterEach(async () => {
  await shop?.drop();
  shop = undefined;
});

test('a relation with rules is refused while the applier cannot be a replica, before anything is made', async () => {
  shop = await createShop(`${SHOP}
CREATE RULE quiet AS ON INSERT TO order_items WHERE NEW.quantity > 1000 DO INSTEAD NOTHING`);
  const runner = await shop.runner();
  try {
    const refusal = runner.advance('provisioned', {});
    await expect(refusal).rejects.toMatchObject({ code: 'DBPS_E318' });
    await expect(refusal).rejects.toThrow('public.order_items has rules');
    expect(await shop.service.query("SELECT 1 FROM pg_namespace WHERE nspname = 'dbps'")).toEqual([]);
  } finally {
    await runner.close();
  }
});
