/** Guards that refuse before anything is changed, and what holds a copy back, on real databases. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { MoveEnvironment } from '../../src/migration/move-environment.js';
import type { DbpsEvent } from '../../src/model/events.js';
import { createShop, SHOP, TEST_SETTINGS, type Shop } from '../support/move.js';

let shop: Shop | undefined;

afterEach(async () => {
  await shop?.drop();
  shop = undefined;
});

/** Every wait in these tests ends with an event, not with a time; this only bounds a failure. */
async function until(isSo: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !isSo(); await sleep(20))
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
}

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

test('throttle.maxLag: while the stream is further behind, no chunk is begun', async () => {
  shop = await createShop();
  const { legacy, events } = shop;
  const isThrottled = () =>
    events.some((event: DbpsEvent) => event.type === 'waiting' && event.for === 'throttle');
  let skewMs = 0;
  let chunks = 0;
  let held: (() => void) | null = null;
  const runner = await shop.runner({
    now: () => Date.now() + skewMs,
    // Until the copy says that it waits, the stream rests in the middle of a change.
    at: async (point) => {
      if (point === 'copy.chunk-written') {
        if (++chunks > 1) return;
        await legacy.query("UPDATE orders SET note = 'late' WHERE id = 1");
        await until(() => held !== null, 'the stream to receive it');
        skewMs = 60_000;
      }
      if (point === 'replicator.spooled' && chunks > 0 && held === null)
        await new Promise<void>((resolve) => {
          held = resolve;
        });
    },
    settings: { ...TEST_SETTINGS, jobs: 1 },
  });
  try {
    await runner.advance('provisioned', {});
    const copied = runner.advance('dual-write', {});
    await Promise.race([until(isThrottled, 'the copy to wait'), copied]);
    expect(isThrottled()).toBe(true);
    // What was being read already is stored; of five chunks no third one is begun.
    expect(chunks).toBeLessThanOrEqual(2);
    skewMs = 0;
    (held as (() => void) | null)?.();
    await copied;
    expect(chunks).toBeGreaterThan(4);
    await runner.abort();
  } finally {
    (held as (() => void) | null)?.();
    await runner.close();
  }
});

test('walBudget: a copy is not begun, and one that runs stops and says so, before more log is kept; then it goes on', async () => {
  shop = await createShop();
  let budget = TEST_SETTINGS.walBudgetBytes;
  let skewMs = 0;
  let chunks = 0;
  const overrides: Partial<MoveEnvironment> = {
    settleMs: 0,
    now: () => Date.now() + skewMs,
    settings: {
      ...TEST_SETTINGS,
      jobs: 1,
      throttleMaxLagMs: 600_000,
      get walBudgetBytes() {
        return budget;
      },
    },
    at: async (point) => {
      if (point !== 'copy.chunk-written' || ++chunks !== 2) return;
      budget = 1;
      skewMs += 10_000;
    },
  };
  const runner = await shop.runner(overrides);
  try {
    await runner.advance('provisioned', {});
    budget = 1;
    const refused = { code: 'DBPS_E313', message: expect.stringContaining('the budget is 0 MB') as string };
    await expect(runner.advance('dual-write', {})).rejects.toMatchObject(refused);
    expect((await runner.state()).target).toBeNull();
    budget = TEST_SETTINGS.walBudgetBytes;
    await expect(runner.advance('dual-write', {})).rejects.toMatchObject(refused);
    expect(await runner.state()).toMatchObject({ target: 'dual-write', activity: 'blocked' });
    const copied = chunks;
    // One was being read when the budget was found spent.
    expect(copied).toBeLessThanOrEqual(3);
    budget = TEST_SETTINGS.walBudgetBytes;
    await runner.advance('dual-write', {});
    expect((await runner.state()).phase).toBe('dual-write');
    expect(chunks).toBeGreaterThan(copied);
    await runner.abort();
  } finally {
    await runner.close();
  }
});

test('H5: a relation taken out of the publication, even if put back, stops the reads and the cutover', async () => {
  shop = await createShop();
  const runner = await shop.runner();
  try {
    await runner.advance('provisioned', {});
    await runner.advance('dual-write', {});
    const [publication] = await shop.legacy.query<{ pubname: string }>('SELECT pubname FROM pg_publication');
    const name = publication?.pubname ?? '';
    await shop.legacy.query(
      `ALTER PUBLICATION ${name} DROP TABLE order_items; UPDATE order_items SET product = 'lost' WHERE order_id = 1;
       ALTER PUBLICATION ${name} ADD TABLE order_items`,
    );
    await expect(runner.advance('read-cutover', {})).rejects.toMatchObject({
      code: 'DBPS_E316',
      message: expect.stringContaining('holds public.order_items anew') as string,
    });
    await runner.abort();
  } finally {
    await runner.close();
  }
});

test('H5: what is published is looked at again behind the locks of the cutover', async () => {
  shop = await createShop();
  const { legacy } = shop;
  const [wanted] = [
    'SELECT pubname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid JOIN pg_class c ON c.oid = r.prrelid',
  ];
  const runner = await shop.runner({
    at: async (point) => {
      if (point !== 'switch-writes.ready') return;
      const [found] = await legacy.query<{ pubname: string }>(`${wanted} WHERE c.relname = 'order_items'`);
      await legacy.query(`ALTER PUBLICATION ${found?.pubname} DROP TABLE order_items`);
    },
  });
  try {
    for (const phase of ['provisioned', 'dual-write', 'read-cutover'] as const)
      await runner.advance(phase, {});
    await expect(runner.advance('write-cutover', {})).rejects.toMatchObject({
      code: 'DBPS_E316',
      message: expect.stringContaining('no longer holds public.order_items') as string,
    });
    expect((await shop.store.route('orders'))?.owner).toBe('legacy');
    // Nobody waits any more, and nobody was fenced.
    await legacy.query("UPDATE order_items SET product = 'still here' WHERE order_id = 1");
    await runner.rollback(undefined, {});
    await runner.abort();
  } finally {
    await runner.close();
  }
});

test('H12: a deferrable unique key is looked at before the side that it is on takes the writes', async () => {
  shop = await createShop(`${SHOP}
ALTER TABLE order_items ADD COLUMN place integer;
UPDATE order_items SET place = order_id * 10 + line;
ALTER TABLE order_items ADD CONSTRAINT one_place UNIQUE (place) DEFERRABLE INITIALLY DEFERRED`);
  const root = await shop.service.connect(shop.service.superuserUrl);
  const runner = await shop.runner();
  try {
    for (const phase of ['provisioned', 'dual-write', 'read-cutover'] as const)
      await runner.advance(phase, {});
    // As an applier that is a replica writes: the key's trigger does not fire.
    await root.query(
      'SET session_replication_role = replica; UPDATE public.order_items SET place = 11 WHERE order_id = 1 AND line = 2',
    );
    const refusal = runner.advance('write-cutover', {});
    await expect(refusal).rejects.toThrow(
      'public.order_items has (place) = (11) more than once, against one_place',
    );
    await root.query('UPDATE public.order_items SET place = 12 WHERE order_id = 1 AND line = 2');
    await runner.advance('write-cutover', {});
    await runner.rollback('read-cutover', {});
    await runner.abort();
  } finally {
    await runner.close();
  }
});

test('H15: a changed row that is not the same behind the held writers stops the switch, and nobody is fenced', async () => {
  shop = await createShop();
  const { legacy } = shop;
  const root = await shop.service.connect(shop.service.superuserUrl);
  const runner = await shop.runner({
    at: async (point) => {
      // After the last tolerant pass: only what the pause itself verifies can find it.
      if (point === 'switch-writes.ready')
        await legacy.query("UPDATE orders SET note = 'late' WHERE id IN (5, 6)");
      if (point === 'switch-writes.drained')
        await root.query(
          "SET session_replication_role = replica; UPDATE public.orders SET note = 'wrong' WHERE id = 5",
        );
    },
  });
  try {
    for (const phase of ['provisioned', 'dual-write', 'read-cutover'] as const)
      await runner.advance(phase, {});
    await expect(runner.advance('write-cutover', {})).rejects.toMatchObject({
      code: 'DBPS_E338',
      message: 'public.orders is not the same on both sides: (5)',
    });
    expect((await shop.store.route('orders'))?.owner).toBe('legacy');
    await legacy.query("UPDATE orders SET note = 'later' WHERE id = 5");
    await runner.rollback(undefined, {});
    await runner.abort();
  } finally {
    await runner.close();
  }
});
