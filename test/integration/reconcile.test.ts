/** Writes that reached legacy behind the fence are shown with both versions, and settled by decision: the owner's rows stand. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { openRogueWrites, readVersions } from '../../src/migration/rogue-writes.js';
import { contents, createShop, type Shop } from '../support/move.js';

let shop: Shop | undefined;

afterEach(async () => {
  await shop?.drop();
  shop = undefined;
});

async function rogue(from: Shop, sql: string, expected: number): Promise<void> {
  await from.legacy.query(
    `ALTER TABLE orders DISABLE TRIGGER dbps_fence; ${sql}; ALTER TABLE orders ENABLE TRIGGER dbps_fence`,
  );
  for (const deadline = Date.now() + 60_000; ; await sleep(20)) {
    if (openRogueWrites(await from.store.history('orders', 10_000)).length >= expected) return;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${expected} rogue writes`);
  }
}

test("H19: the owner's rows stand: legacy gets them back, large values too, and the way on is free", async () => {
  shop = await createShop();
  const { legacy, service, store } = shop;
  const runner = await shop.runner();
  try {
    for (const phase of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover'] as const)
      await runner.advance(phase, {});
    await rogue(
      shop,
      `UPDATE orders SET note = 'rogue' WHERE id = 10; DELETE FROM orders WHERE id = 20;
       INSERT INTO orders (id, user_id, code) OVERRIDING SYSTEM VALUE VALUES (90001, 1, 'rogue')`,
      3,
    );
    // The owner goes on meanwhile.
    await service.query('UPDATE orders SET total = total + 1 WHERE id IN (10, 30)');
    const undecided = openRogueWrites(await store.history('orders', 10_000));
    const context = runner.stepContext({}, runner.signal);
    const versions = await readVersions(context, undecided);
    expect(
      versions.map(({ write, legacy: theirs, service: owners, carrySql }) => [
        write.kind,
        theirs?.['note'] ?? null,
        owners === null,
        carrySql?.split(' ').slice(0, 2).join(' '),
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['update', 'rogue', false, 'INSERT INTO'],
        ['delete', null, false, 'DELETE FROM'],
        ['insert', null, true, 'INSERT INTO'],
      ]),
    );
    await expect(runner.advance('sync', {})).rejects.toMatchObject({
      code: 'DBPS_E345',
      hint: 'dbps migrate reconcile orders',
    });

    await runner.perform({ kind: 'reconcile' });
    expect(openRogueWrites(await store.history('orders', 10_000))).toEqual([]);
    expect(
      await legacy.query('SELECT note IS NULL AS mended FROM orders WHERE id IN (10, 20, 90001)'),
    ).toHaveLength(2);
    await runner.guardContext(context, 'write-cutover').verify('full');
    expect(await contents(legacy)).toEqual(await contents(service));
    // What dbps wrote to legacy is its own: it is neither rogue nor sent back.
    await runner.advance('sync', {});
    expect(openRogueWrites(await store.history('orders', 10_000))).toEqual([]);
    expect(await contents(legacy)).toEqual(await contents(service));

    // Of a TRUNCATE nobody knows the rows, and going back with it undecided would make it the truth.
    await service.query('DELETE FROM order_events');
    await runner.guardContext(context, 'sync').verify('changed');
    await rogue(
      shop,
      `ALTER TABLE order_events_old DISABLE TRIGGER dbps_fence; TRUNCATE order_events_old; ALTER TABLE order_events_old ENABLE TRIGGER dbps_fence`,
      1,
    );
    await expect(runner.perform({ kind: 'reconcile' })).rejects.toMatchObject({ code: 'DBPS_E350' });
    await expect(runner.rollback('read-cutover', {})).rejects.toMatchObject({ code: 'DBPS_E345' });
    await runner.rollback('read-cutover', { keepOwner: true });
    expect(openRogueWrites(await store.history('orders', 10_000))).toEqual([]);
    await runner.abort();
  } finally {
    await runner.close();
  }
});
