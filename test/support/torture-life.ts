/**
 * The whole life of a service under writers that keep ledgers, every transition forward and back: first killed at each instant and taken back,
 * then killed at each instant and gone on with. One loaded shop serves them all. TORTURE_LEGS narrows it: `planned>provisioned,sync>decommissioned`.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareLedger, startFollowers, type Followers } from './followers.js';
import { KillWalk, type Victim } from './kill-walk.js';
import { createShop, type Shop } from './move.js';
import { TEST_SETTINGS } from './move-environment.js';
import { bringTo, expectEqual, type Leg } from './torture.js';

/** In this order each begins where the one before ends, or one undisturbed transition away. */
const LIFE: readonly Leg[] = [
  { from: 'planned', to: 'provisioned' },
  { from: 'provisioned', to: 'planned' },
  { from: 'provisioned', to: 'dual-write' },
  { from: 'dual-write', to: 'provisioned' },
  { from: 'dual-write', to: 'read-cutover' },
  { from: 'read-cutover', to: 'dual-write' },
  { from: 'read-cutover', to: 'write-cutover' },
  { from: 'write-cutover', to: 'read-cutover' },
  { from: 'write-cutover', to: 'sync' },
  { from: 'sync', to: 'read-cutover' },
  { from: 'sync', to: 'decommissioned' },
];

const BACK = new Set([
  'provisioned>planned',
  'dual-write>provisioned',
  'read-cutover>dual-write',
  'write-cutover>read-cutover',
  'sync>read-cutover',
]);

const nameOf = ({ from, to }: Leg): string => `${from}>${to}`;

export function tortureLife(victim: Victim): void {
  const wanted = process.env['TORTURE_LEGS']?.split(',');
  const legs = LIFE.filter((leg) => wanted?.includes(nameOf(leg)) ?? true);
  let shop: Shop;
  let followers: Followers;
  let walk: KillWalk;
  let archive: string;
  const report: string[] = [];

  beforeAll(async () => {
    archive = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-torture-'));
    shop = await createShop();
    followers = startFollowers(shop.legacy, shop.service, 2, 60);
    walk = new KillWalk(shop, followers, victim, {
      archive: { directory: archive },
      decommission: { ...TEST_SETTINGS.decommission, graceMs: 100 },
    });
  });

  afterAll(async () => {
    await followers.stop();
    const { phase } = (await shop.store.service('orders')) ?? { phase: 'planned' };
    if (phase !== 'decommissioned') await bringTo(shop, 'planned');
    await shop.drop();
    fs.rmSync(archive, { recursive: true, force: true });
    process.stdout.write(`${report.join('\n')}\n${victim}: ${walk.kills} kills\n`);
  });

  test.each(legs)('$from -> $to', async (leg) => {
    const began = performance.now();
    const before = walk.kills;
    await bringTo(shop, leg.from);
    if (!BACK.has(nameOf(leg))) {
      const points = await walk.takenBack(leg);
      expect(points.length).toBeGreaterThan(3);
      if (leg.to !== 'decommissioned') {
        await bringTo(shop, leg.from);
        // The last step that can be taken back: everything before it is undone as well.
        const last = points.findLast(
          (point) =>
            /^[a-z-]+\.(done|before)$/.test(point) &&
            !/open-target|publish-owner|start-reverse|prove-reverse/.test(point),
        );
        if (last !== undefined) await walk.takenBackInPieces(leg, last);
        await bringTo(shop, leg.from);
      }
    }
    const points = await walk.resumed(leg);
    expect(points.length).toBeGreaterThan(3);
    report.push(
      `${victim}: ${nameOf(leg)}: ${points.length} instants, ${walk.kills - before} kills, ${Math.round((performance.now() - began) / 1000)} s`,
    );
    process.stdout.write(`${report.at(-1) ?? ''}\n`);
  });

  test('every acknowledged write is where it belongs', async () => {
    await followers.stop();
    expect(followers.errors).toEqual([]);
    const { phase } = (await shop.store.service('orders')) ?? { phase: 'planned' };
    const nothing = { lost: [], duplicated: [], wrong: [] };
    if (phase === 'decommissioned') {
      expect(await compareLedger(shop.service, followers.ledger)).toEqual(nothing);
      expect(
        await shop.legacy.query(
          "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%order%'",
        ),
      ).toEqual([]);
      return;
    }
    await bringTo(shop, 'read-cutover');
    // A runner that brings over what the clients wrote last.
    await walk.expectBothEqual('the end');
    await expectEqual(shop);
    expect(await compareLedger(shop.legacy, followers.ledger)).toEqual(nothing);
    expect(await compareLedger(shop.service, followers.ledger)).toEqual(nothing);
  });
}
