/** Every phase on capture by triggers: no slot, no publication, and nothing lost. */
import { afterEach, expect, test } from 'vitest';
import { compareLedger, startFollowers, type Followers } from '../support/followers.js';
import { contents, createShop, moveEnvironment, type Shop } from '../support/move.js';

let shop: Shop | undefined;
let followers: Followers | undefined;

afterEach(async () => {
  await followers?.stop();
  followers = undefined;
  await shop?.drop();
  shop = undefined;
});

test('forward, back, forward again and back to the beginning under writers, with triggers in place of the log', async () => {
  shop = await createShop();
  const { legacy, service, plan, store } = shop;
  followers = startFollowers(legacy, service);
  const openers = moveEnvironment({
    legacy: legacy.target,
    service: service.target,
    plan,
    store,
    capture: 'trigger',
  });
  const runner = await shop.runner({ legacy: openers.legacy, target: openers.target });
  try {
    await runner.advance('provisioned', {});
    await runner.advance('dual-write', {});
    await runner.advance('read-cutover', { reads: 100 });
    for (const database of [legacy, service])
      expect(
        await database.query('SELECT 1 FROM pg_replication_slots WHERE database = current_database()'),
      ).toEqual([]);
    await runner.advance('write-cutover', {});
    await runner.advance('sync', {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    await runner.rollback('read-cutover', {});
    expect(await store.route('orders')).toMatchObject({ owner: 'legacy' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await runner.advance('write-cutover', {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    await followers.stop();
    expect(followers.errors).toEqual([]);
    const { lost, duplicated, wrong } = await compareLedger(service, followers.ledger);
    expect({ lost, duplicated, wrong }).toEqual({ lost: [], duplicated: [], wrong: [] });
    await runner.guardContext(runner.stepContext({}, runner.signal), 'sync').verify('full');
    expect(await contents(legacy)).toEqual(await contents(service));
    await runner.rollback('read-cutover', {});
    await runner.abort();
    for (const database of [legacy, service])
      expect(await database.query("SELECT 1 FROM pg_trigger WHERE tgname LIKE 'dbps%'")).toEqual([]);
  } finally {
    await runner.close();
  }
});

test('a column that is added under capture by triggers: refused before anything is altered, with the whole way', async () => {
  shop = await createShop();
  const { legacy, service, plan, store } = shop;
  const openers = moveEnvironment({
    legacy: legacy.target,
    service: service.target,
    plan,
    store,
    capture: 'trigger',
  });
  const runner = await shop.runner({ legacy: openers.legacy, target: openers.target });
  try {
    await runner.perform({ kind: 'advance', to: 'provisioned', parameters: {} });
    await runner.perform({ kind: 'advance', to: 'dual-write', parameters: {} });
    await legacy.query("ALTER TABLE orders ADD COLUMN channel text DEFAULT 'web'");
    await expect(runner.perform({ kind: 'resume', parameters: { applyDdl: true } })).rejects.toMatchObject({
      code: 'DBPS_E312',
      message: expect.stringContaining('triggers do not capture') as string,
      hint: 'dbps migrate abort orders; then dbps plan, and dbps migrate advance orders',
    });
    expect(
      await service.query("SELECT 1 FROM information_schema.columns WHERE column_name = 'channel'"),
    ).toEqual([]);
    await runner.perform({ kind: 'abort' });
    for (const database of [legacy, service])
      expect(await database.query("SELECT 1 FROM pg_trigger WHERE tgname LIKE 'dbps%'")).toEqual([]);
  } finally {
    await runner.close();
  }
});
