/** Writers change sides without losing a write, whatever happens in between. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import type { Phase } from '../../src/model/phases.js';
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

/** Runs a runner in a process of its own. */
async function move(to: Phase, kill?: string): Promise<'arrived' | 'killed'> {
  const { legacy, service, plan } = shop as Shop;
  const request = { legacy: legacy.url, service: service.url, plan: plan.hash, to, kill };
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'test/support/processes/move.ts', JSON.stringify(request)],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (signal === 'SIGKILL') return 'killed';
  if (code !== 0) throw new Error(`the runner ended with ${code}: ${errors}`);
  return 'arrived';
}

async function accepting(): Promise<string | null> {
  const owners = await Promise.all(
    [(shop as Shop).legacy, (shop as Shop).service].map(async (database) => {
      const [row] = await database.query<{ owner: string }>(
        "SELECT owner FROM dbps.route WHERE service = 'orders'",
      );
      return row?.owner;
    }),
  );
  expect(owners).not.toEqual(['legacy', 'service']);
  return owners[0] === 'legacy' ? 'legacy' : owners[1] === 'service' ? 'service' : null;
}

test.each([
  {
    way: 'forward',
    to: 'write-cutover',
    switchStep: 'switch-writes',
    from: 'legacy',
    owner: 'service',
    // One of each of the protocol's six steps.
    before: ['held', 'drained', 'position-read', 'before-commit'],
    after: ['open-target.opened', 'publish-owner.done', 'start-reverse.done'],
  },
  {
    way: 'back',
    to: 'read-cutover',
    switchStep: 'switch-writes-back',
    from: 'service',
    owner: 'legacy',
    before: ['held', 'before-commit'],
    after: ['open-legacy.opened', 'resume-forward.done', 'transition.before-phase'],
  },
] as const)(
  'H8, $way: killed at each instant of the switch, it is undone by the server or rolled forward',
  async (path) => {
    shop = await createShop();
    const runner = await shop.runner();
    await toReadCutover(runner);
    if (path.way === 'back') await runner.advance('write-cutover', {});
    await runner.close();
    followers = startFollowers(shop.legacy, shop.service, 3);

    for (const instant of path.before) {
      expect(await move(path.to, `${path.switchStep}.${instant}`)).toBe('killed');
      expect(await accepting()).toBe(path.from);
    }
    // Nobody has been refused yet, let alone failed.
    expect(followers.errors).toEqual([]);
    if (path.way === 'forward') expect(followers.refusals).toBe(0);
    expect(await move(path.to, `${path.switchStep}.committed`)).toBe('killed');
    expect(await accepting()).toBeNull();
    for (const point of path.after) {
      expect(await move(path.to, point)).toBe('killed');
      expect(await accepting()).toBe(path.owner);
    }
    expect(await move(path.to)).toBe('arrived');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await followers.stop();
    expect(followers.errors).toEqual([]);
    await expectNoLoss(path.owner);

    const last = await shop.runner({ leaseMs: 2_000 });
    try {
      await last.rest();
      await last.guardContext(last.stepContext({}, last.signal), 'write-cutover').verify('full');
      expect(await contents(shop.legacy)).toEqual(await contents(shop.service));
      if (path.way === 'forward') await last.rollback('read-cutover', {});
      await last.abort();
    } finally {
      await last.close();
    }
  },
);
