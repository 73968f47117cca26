/** Writers change sides without losing a write, whatever happens in between. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Phase } from '../../src/model/phases.js';
import { compareLedger, startFollowers, type Followers } from '../support/followers.js';
import { archiveDirectory, readManifest } from '../../src/migration/archive.js';
import { openRogueWrites } from '../../src/migration/rogue-writes.js';
import { contents, createShop, TEST_SETTINGS, type Shop } from '../support/move.js';
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

test('H20, H19: a write behind the fence is told and decided; then legacy is archived, retired and dropped, without a trace', async () => {
  shop = await createShop();
  const directory = await mkdtemp(path.join(tmpdir(), 'dbps-archive-'));
  const runner = await shop.runner({
    settings: {
      ...TEST_SETTINGS,
      decommission: { verify: 'full', soakMs: 0, graceMs: 50 },
      archive: { directory },
    },
  });
  try {
    await toReadCutover(runner);
    await runner.advance('write-cutover', {});
    // Its owner takes the fence off one relation, writes, and puts it back.
    await shop.legacy.query(
      "ALTER TABLE orders DISABLE TRIGGER dbps_fence; UPDATE orders SET note = 'rogue' WHERE id = 7; ALTER TABLE orders ENABLE TRIGGER dbps_fence",
    );
    await waitUntil(
      async () => openRogueWrites(await (shop as Shop).store.history('orders', 10_000)).length > 0,
    );
    await expect(runner.advance('sync', {})).rejects.toMatchObject({ code: 'DBPS_E345' });
    const finding = shop.events.find((e) => e.type === 'finding' && e.finding.code === 'VRF501');
    expect(finding).toMatchObject({
      finding: { data: { legacy: { id: '7', note: 'rogue' }, service: { id: '7', note: null } } },
    });
    // The owner's row stands: legacy is made equal by whoever decides.
    await shop.legacy.query(
      'ALTER TABLE orders DISABLE TRIGGER dbps_fence; UPDATE orders SET note = NULL WHERE id = 7; ALTER TABLE orders ENABLE TRIGGER dbps_fence',
    );
    await waitUntil(
      async () => openRogueWrites(await (shop as Shop).store.history('orders', 10_000)).length > 1,
    );
    await runner.advance('sync', { keepOwner: true });

    await shop.legacy.query('CREATE VIEW stays AS SELECT count(*) FROM orders');
    const confirm = () => ({ confirm: `orders@${(shop as Shop).plan.hash}.e${runner.owner.epoch}` });
    await expect(runner.advance('decommissioned', confirm())).rejects.toMatchObject({ code: 'DBPS_E346' });
    await shop.legacy.query('DROP VIEW stays');
    await expect(runner.advance('decommissioned', { confirm: 'orders@00000000.e1' })).rejects.toMatchObject({
      code: 'DBPS_E306',
    });
    await runner.advance('decommissioned', confirm());
    expect((await runner.state()).phase).toBe('decommissioned');
    const manifest = await readManifest(archiveDirectory(directory, 'orders', shop.plan.hash));
    expect(manifest?.relations.map(({ relation, rows }) => [relation, rows])).toEqual([
      ['public.order_events', 500],
      ['public.order_items', 6000],
      ['public.orders', 2000],
    ]);
    expect(
      await shop.legacy.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
      ),
    ).toEqual([{ relname: 'users' }]);
    expect(await shop.service.query("SELECT nspname FROM pg_namespace WHERE nspname = 'dbps'")).toEqual([]);
    expect(await shop.service.query("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'dbps%'")).toEqual([]);
  } finally {
    await runner.close();
    await rm(directory, { recursive: true });
  }
});

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
