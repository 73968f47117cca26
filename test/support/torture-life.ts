/**
 * The whole life of a service under writers that keep ledgers, every transition forward and back: first killed at each instant and taken back,
 * then killed at each instant and gone on with. One loaded shop serves them all. TORTURE_LEGS narrows it: `planned>provisioned,sync>decommissioned`,
 * TORTURE_EVERY=7 to each seventh instant.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { missingFrom, startEngineTraffic } from './engine-shop.js';
import { compareLedger, startFollowers } from './followers.js';
import { KillWalk, type Victim, type Writers } from './kill-walk.js';
import { createMysqlShop } from './mysql-move.js';
import { createShop, type Shop, type ShopDatabase } from './move.js';
import { TEST_SETTINGS } from './move-environment.js';
import { bringTo, expectEqual, type Leg } from './torture.js';

/** A loaded shop with clients at work, on one engine. */
interface Stage {
  readonly shop: Shop<ShopDatabase>;
  readonly writers: Writers;
  stop(): Promise<void>;
  /** What acknowledged writes are not as they were acknowledged, on one side. */
  missing(side: 'legacy' | 'service'): Promise<readonly unknown[]>;
  /** Beyond what verification compares. */
  expectEqual(): Promise<void>;
  /** Tables of the service that legacy still has. */
  leftovers(): Promise<readonly unknown[]>;
}

async function postgresStage(): Promise<Stage> {
  const shop = await createShop();
  const followers = startFollowers(shop.legacy, shop.service, 2, 60);
  return {
    shop,
    writers: followers,
    stop: () => followers.stop(),
    missing: async (side) => Object.values(await compareLedger(shop[side], followers.ledger)).flat(),
    expectEqual: () => expectEqual(shop),
    leftovers: () =>
      shop.legacy.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%order%'",
      ),
  };
}

/** Two private servers. */
async function mysqlStage(): Promise<Stage> {
  const shop = await createMysqlShop();
  const traffic = await startEngineTraffic(shop.legacy, shop.service, 2, 60);
  return {
    shop,
    writers: traffic,
    stop: () => traffic.stop(),
    missing: (side) => missingFrom(shop[side], traffic),
    expectEqual: async () => {
      for (const table of ['orders', 'order_items'])
        expect(await shop.service.query(`SELECT * FROM ${table} ORDER BY 1, 2`)).toEqual(
          await shop.legacy.query(`SELECT * FROM ${table} ORDER BY 1, 2`),
        );
    },
    leftovers: () =>
      shop.legacy.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE '%order%'",
      ),
  };
}

const STAGES = { postgres: postgresStage, mysql: mysqlStage } as const;

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

export function tortureLife(victim: Victim, engine: keyof typeof STAGES = 'postgres'): void {
  const title = `${engine} ${victim}`;
  const every = Number(process.env['TORTURE_EVERY'] ?? 1);
  const wanted = process.env['TORTURE_LEGS']?.split(',');
  const legs = LIFE.filter((leg) => wanted?.includes(nameOf(leg)) ?? true);
  let stage: Stage;
  let shop: Shop<ShopDatabase>;
  let walk: KillWalk;
  let archive: string;
  const report: string[] = [];

  beforeAll(async () => {
    archive = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-torture-'));
    stage = await STAGES[engine]();
    ({ shop } = stage);
    walk = new KillWalk(
      shop,
      stage.writers,
      victim,
      { archive: { directory: archive }, decommission: { ...TEST_SETTINGS.decommission, graceMs: 100 } },
      every,
    );
  });

  afterAll(async () => {
    await stage.stop().catch(() => undefined);
    const { phase } = (await shop.store.service('orders')) ?? { phase: 'planned' };
    if (phase !== 'decommissioned') await bringTo(shop, 'planned');
    await shop.drop();
    fs.rmSync(archive, { recursive: true, force: true });
    process.stdout.write(`${report.join('\n')}\n${title}: ${walk.kills} kills\n`);
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
            !/^switch-writes\.done|open-target|publish-owner|start-reverse|prove-reverse/.test(point),
        );
        if (last !== undefined) await walk.takenBackInPieces(leg, last);
        await bringTo(shop, leg.from);
      }
    }
    const points = await walk.resumed(leg);
    expect(points.length).toBeGreaterThan(3);
    report.push(
      `${title}: ${nameOf(leg)}: ${points.length} instants, ${walk.kills - before} kills, ${Math.round((performance.now() - began) / 1000)} s`,
    );
    process.stdout.write(`${report.at(-1) ?? ''}\n`);
  });

  test('every acknowledged write is where it belongs', async () => {
    await stage.stop();
    expect(stage.writers.errors).toEqual([]);
    const { phase } = (await shop.store.service('orders')) ?? { phase: 'planned' };
    if (phase === 'decommissioned') {
      expect(await stage.missing('service')).toEqual([]);
      expect(await stage.leftovers()).toEqual([]);
      return;
    }
    await bringTo(shop, 'read-cutover');
    // A runner that brings over what the clients wrote last.
    await walk.expectBothEqual('the end');
    await stage.expectEqual();
    expect(await stage.missing('legacy')).toEqual([]);
    expect(await stage.missing('service')).toEqual([]);
  });
}
