/** A fixed sample of the instants at which a runner on the MySQL family may die; `npm run torture -- mysql` goes through all of them. */
import { afterEach, expect, test } from 'vitest';
import { missingFrom, startEngineTraffic, type EngineTraffic } from '../support/engine-shop.js';
import type { MysqlTestDatabase } from '../support/mariadb.js';
import { createMysqlShop } from '../support/mysql-move.js';
import type { Shop } from '../support/move.js';
import { killAt, openWhenFree } from '../support/torture.js';

let shop: Shop<MysqlTestDatabase> | undefined;
let traffic: EngineTraffic | undefined;

afterEach(async () => {
  await traffic?.stop().catch(() => undefined);
  traffic = undefined;
  await shop?.drop();
  shop = undefined;
});

const DUAL_WRITE = { from: 'provisioned', to: 'dual-write' } as const;
const WRITE_CUTOVER = { from: 'read-cutover', to: 'write-cutover' } as const;
const BACK = { from: 'write-cutover', to: 'read-cutover' } as const;

test('MySQL family: killed while it copies, at the commit of the cutover and on the way back, nothing is lost', async () => {
  shop = await createMysqlShop();
  traffic = await startEngineTraffic(shop.legacy, shop.service, 2);
  await killAt(shop, DUAL_WRITE, 'copy.chunk-written', 'resume');
  await killAt(shop, WRITE_CUTOVER, 'switch-writes.committed', 'resume');
  await killAt(shop, BACK, 'switch-writes-back.committed', 'resume');
  await traffic.stop();
  expect(traffic.present.size).toBeGreaterThan(20);
  const runner = await openWhenFree(shop);
  try {
    await runner.rest();
    const result = await runner
      .guardContext(runner.stepContext({}, runner.signal), 'read-cutover')
      .verify('full');
    expect(result).toMatchObject({ isEqual: true });
  } finally {
    await runner.close();
  }
  expect(await missingFrom(shop.legacy, traffic)).toEqual([]);
  expect(await missingFrom(shop.service, traffic)).toEqual([]);
});
