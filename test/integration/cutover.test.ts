/** Writers change sides without losing a write, whatever happens in between. */
import { afterEach, expect, test } from 'vitest';
import { compareLedger, startFollowers, type Followers } from '../support/followers.js';
import { contents, createShop, type Shop } from '../support/move.js';
import type { ServiceRunner } from '../../src/migration/service-runner.js';

let shop: Shop | undefined;
let followers: Followers | undefined;

afterEach(async () => {
  await followers?.stop();
  followers = undefined;
  await shop?.drop();
  shop = undefined;
});

async function toReadCutover(runner: ServiceRunner): Promise<void> {
  await runner.advance('provisioned', {});
  await runner.advance('dual-write', {});
  await runner.advance('read-cutover', { reads: 100 });
}

const expectNoLoss = async (where: 'legacy' | 'service') => {
  const { lost, duplicated, wrong } = await compareLedger(
    (shop as Shop)[where],
    (followers as Followers).ledger,
  );
  expect({ lost, duplicated, wrong }).toEqual({ lost: [], duplicated: [], wrong: [] });
};

test('forward, back, forward again under writers: nothing lost, nothing twice, no error but the refusal', async () => {
  shop = await createShop();
  followers = startFollowers(shop.legacy, shop.service);
  const runner = await shop.runner();
  const gaps: number[] = [];
  try {
    await toReadCutover(runner);
    followers.longestGapMs();
    const [forward] = await runner.advance('write-cutover', {});
    gaps.push(followers.longestGapMs());
    const cutover = forward?.steps.find(({ step }) => step === 'switch-writes')?.details;
    expect(cutover).toMatchObject({
      fenceMs: expect.any(Number) as number,
      drainMs: expect.any(Number) as number,
      verifiedKeys: expect.any(Number) as number,
    });
    expect(await shop.store.route('orders')).toMatchObject({ owner: 'service' });
    await runner.advance('sync', {});
    await new Promise((resolve) => setTimeout(resolve, 300));

    await runner.rollback('read-cutover', {});
    gaps.push(followers.longestGapMs());
    expect(await shop.store.route('orders')).toMatchObject({ owner: 'legacy', readShare: 0 });
    await new Promise((resolve) => setTimeout(resolve, 300));

    await runner.advance('write-cutover', {});
    gaps.push(followers.longestGapMs());
    await new Promise((resolve) => setTimeout(resolve, 300));
    await followers.stop();
    expect(followers.errors).toEqual([]);
    expect(followers.refusals).toBeGreaterThan(0);
    await expectNoLoss('service');
    await runner.guardContext(runner.stepContext({}, runner.signal), 'sync').verify('full');
    expect(await contents(shop.legacy)).toEqual(await contents(shop.service));
    await runner.rollback('read-cutover', {});
    await runner.abort();
  } finally {
    await runner.close();
  }
});
