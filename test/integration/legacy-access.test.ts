/** A reader that is gone by the time of the check was seen by the looks of the soak. */
import { afterEach, expect, test } from 'vitest';
import { noLegacyAccess } from '../../src/migration/guards/no-legacy-access.js';
import { watchAccess } from '../../src/migration/service-watch.js';
import { createShop, TEST_SETTINGS, type Shop } from '../support/move.js';

let shop: Shop | undefined;

afterEach(async () => {
  await shop?.drop();
  shop = undefined;
});

test('decommissioning waits until nobody has used legacy for as long as the soak lasts', async () => {
  shop = await createShop();
  const day = 86_400_000;
  let skewMs = 0;
  const runner = await shop.runner({
    now: () => Date.now() + skewMs,
    settings: { ...TEST_SETTINGS, decommission: { ...TEST_SETTINGS.decommission, soakMs: 7 * day } },
  });
  const ask = () =>
    noLegacyAccess.evaluate(runner.guardContext(runner.stepContext({}, runner.signal), 'sync'));
  const watch = () => watchAccess(runner.stepContext({}, runner.signal));
  try {
    for (const phase of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover', 'sync'] as const)
      await runner.advance(phase, {});
    await watch();
    expect(await ask()).toMatchObject({ outcome: 'ok' });

    const reader = await shop.legacy.connect(shop.legacy.applicationUrl);
    await reader.query('BEGIN; SELECT count(*) FROM orders');
    expect(await ask()).toMatchObject({
      outcome: 'refused',
      detail: expect.stringContaining('shop_app uses') as string,
    });
    await watch();
    await reader.query('COMMIT');
    expect(await ask()).toMatchObject({
      outcome: 'refused',
      code: 'DBPS_E347',
      detail: expect.stringContaining('shop_app (public.orders)') as string,
    });
    skewMs = 8 * day;
    expect(await ask()).toMatchObject({
      outcome: 'ok',
      // This server counts no statements: what that means is said.
      detail: expect.stringContaining('was not seen: pg_stat_statements is not installed') as string,
    });
    skewMs = 0;
    await runner.rollback('read-cutover', {});
    await runner.abort();
  } finally {
    await runner.close();
  }
});
