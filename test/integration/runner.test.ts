/** The long-lived runner, and who may hold a service. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { perform } from '../support/perform.js';
import { startFollowers, type Followers } from '../support/followers.js';
import { contents, createShop, type Shop } from '../support/move.js';
import { startMover, type Mover } from '../support/mover.js';
import { openWhenFree } from '../support/torture.js';

let shop: Shop | undefined;
let followers: Followers | undefined;
const movers: Mover[] = [];

function start(...given: Parameters<typeof startMover>): Mover {
  const mover = startMover(...given);
  movers.push(mover);
  return mover;
}

afterEach(async () => {
  for (const mover of movers.splice(0)) mover.process.kill('SIGKILL');
  await followers?.stop();
  followers = undefined;
  await shop?.drop();
  shop = undefined;
});

async function until<T>(ask: () => Promise<T | null | false>, what: string): Promise<T> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
    const found = await ask();
    if (found !== null && found !== false) return found;
  }
  throw new Error(`waited in vain for ${what}`);
}

test('a live runner carries out what is filed with it, pauses, goes on, and gives the service back when it is stopped', async () => {
  shop = await createShop();
  const { store } = shop;
  followers = startFollowers(shop.legacy, shop.service, 2);
  const first = await shop.runner();
  await first.perform({ kind: 'advance', to: 'provisioned', parameters: {} });
  await first.close();

  const live = start(shop, null, { leaseMs: 10_000 });
  await until(async () => (await store.service('orders'))?.lease?.holder ?? null, 'the runner');
  // Whoever else wants to be the runner is told who it is.
  await expect(shop.runner()).rejects.toMatchObject({
    code: 'DBPS_E301',
    message: expect.stringContaining('orders is held by test-') as string,
  });

  expect(await perform(store, 'orders', { kind: 'advance', to: 'dual-write', parameters: {} })).toMatchObject(
    {
      error: null,
      transitions: [{ from: 'provisioned', to: 'dual-write' }],
    },
  );
  // What was told last may be from before the stream came to apply: then it stands still for a moment.
  const told = await until(async () => {
    const forward = (await store.progress('orders'))?.progress.forward ?? null;
    return forward?.state !== 'stopped' && forward;
  }, 'progress');
  expect(told).toMatchObject({ state: 'running', error: null });

  await perform(store, 'orders', { kind: 'pause', reason: 'asked for by ops' });
  expect(await store.service('orders')).toMatchObject({ activity: 'paused', reason: 'asked for by ops' });
  const refused = await perform(store, 'orders', { kind: 'advance', parameters: {} });
  expect(refused.error).toMatchObject({ code: 'DBPS_E327', family: 'refused' });
  await perform(store, 'orders', { kind: 'resume', parameters: {} });
  expect(await store.service('orders')).toMatchObject({ activity: 'idle' });

  // A refusal by a guard comes back as what it is.
  await shop.legacy.query('ALTER TABLE orders ADD COLUMN extra text');
  const drifted = await perform(store, 'orders', { kind: 'advance', to: 'read-cutover', parameters: {} });
  expect(drifted.error).toMatchObject({ code: 'DBPS_E312', family: 'refused' });
  const blocked = await until(async () => {
    const state = await (shop as Shop).store.service('orders');
    return state?.activity === 'blocked' && state;
  }, 'the watch to see it');
  expect(blocked.reason).toMatch(/column "extra" was added|is not in the plan/);
  await shop.legacy.query('ALTER TABLE orders DROP COLUMN extra');

  live.process.kill('SIGTERM');
  expect(await live.ended).toEqual({ ok: true });
  expect((await store.service('orders'))?.lease).toBeNull();
  const last = await shop.runner();
  await last.perform({ kind: 'abort' });
  await last.close();
  await followers.stop();
  expect(followers.errors).toEqual([]);
});

test('H7: a runner that was thought dead and writes late is refused, on the target too', async () => {
  shop = await createShop();
  const provision = await shop.runner();
  await provision.perform({ kind: 'advance', to: 'provisioned', parameters: {} });
  await provision.close();

  // It stands still in the middle of the copy for as long as the take-over takes.
  const zombie = start(
    shop,
    { kind: 'advance', to: 'dual-write', parameters: {} },
    { point: 'copy.planned:stop' },
  );
  await until(async () => (await shop?.store.service('orders'))?.target === 'dual-write', 'the copy');
  const next = await openWhenFree(shop);
  await next.perform({ kind: 'rollback', parameters: {} });
  zombie.process.kill('SIGCONT');
  expect(await zombie.ended).toMatchObject({ ok: false, code: 'DBPS_E301' });
  const [row] = await shop.service.query<{ n: string }>('SELECT count(*) AS n FROM orders');
  expect(row?.n).toBe('0');

  await next.perform({ kind: 'advance', to: 'dual-write', parameters: {} });
  expect(await contents(shop.service)).toEqual(await contents(shop.legacy));
  await next.perform({ kind: 'abort' });
  await next.close();
});

test('two runners at once share the services and never one of them', async () => {
  shop = await createShop();
  const provision = await shop.runner();
  await provision.perform({ kind: 'advance', to: 'provisioned', parameters: {} });
  await provision.close();
  const both = [start(shop, null, { leaseMs: 3_000 }), start(shop, null, { leaseMs: 3_000 })];
  const holder = await until(
    async () => (await shop?.store.service('orders'))?.lease?.holder ?? null,
    'a runner',
  );
  const epoch = (await shop.store.service('orders'))?.epoch;
  await sleep(4_000);
  // Heartbeats keep it where it is.
  expect(await shop.store.service('orders')).toMatchObject({ epoch, lease: { holder } });

  // The one that holds it dies without a word; the other takes over when the lease has run out.
  const victim = both.find((mover) => holder === `test-${mover.process.pid}`);
  victim?.process.kill('SIGKILL');
  const next = await until(async () => {
    const state = await (shop as Shop).store.service('orders');
    return state?.lease != null && state.lease.holder !== holder && state;
  }, 'the take-over');
  expect(next.epoch).toBeGreaterThan(epoch ?? 0);
  for (const mover of both) mover.process.kill('SIGTERM');
  await Promise.all(both.map((mover) => mover.ended));
  const last = await openWhenFree(shop);
  await last.perform({ kind: 'abort' });
  await last.close();
});
