/**
 * Read-only copies of shared relations through every transition that meets them, killed at each n-th instant and gone on with: their own way there
 * and back, the cutover of the service that owns what they copy, that of the service that reads them, and the end of all three. Clients change the
 * shared relation all the while, wherever it is written. Afterwards nothing is left: no slot, no publication, no subscription.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceRunner } from '../../src/migration/service-runner.js';
import { isFenceError } from '../../src/model/fence-error.js';
import { openStateStore } from '../../src/state/knex-state-store.js';
import { KillWalk, type Writers } from './kill-walk.js';
import { moveEnvironment, TEST_SETTINGS } from './move-environment.js';
import type { Shop } from './move.js';
import { planFor } from './plan.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { bringTo, type Leg } from './torture.js';

const SQL = `
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL UNIQUE, n int NOT NULL DEFAULT 0, anthem text);
CREATE TABLE products (id bigint PRIMARY KEY, origin text REFERENCES countries);
CREATE TABLE orders (id bigint PRIMARY KEY, country text NOT NULL REFERENCES countries);
INSERT INTO countries (code, name, anthem) SELECT 'c' || g, 'country ' || g, repeat(md5(g::text), 300) FROM generate_series(1, 1200) g;
INSERT INTO products SELECT g, 'c' || g FROM generate_series(1, 100) g;
INSERT INTO orders SELECT g, 'c' || (g + 200) FROM generate_series(1, 100) g;
GRANT USAGE ON SCHEMA public TO shop_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_app;
`;

interface World {
  readonly legacy: TestDatabase;
  readonly catalog: TestDatabase;
  readonly orders: TestDatabase;
  shop(service: string): Shop;
  close(): Promise<void>;
}

async function createWorld(): Promise<World> {
  const legacy = await createTestDatabase('legacy', SQL);
  const [catalog, orders] = [await createTestDatabase('service'), await createTestDatabase('service')];
  for (const database of [catalog, orders]) await database.query('GRANT USAGE ON SCHEMA public TO shop_app');
  const { plan } = await planFor(legacy, {
    services: { catalog: ['products'], orders: ['orders'] },
    shared: [{ relations: [{ id: 'public.countries' }], owner: 'catalog' }],
  });
  const store = openStateStore(legacy.target, { applicationName: 'dbps test state' });
  await store.install();
  await store.acceptPlan(
    { hash: plan.hash, text: JSON.stringify(plan) },
    plan.services.map(({ name }) => name),
  );
  const drop = async () => {
    await store.close();
    await Promise.all([legacy, catalog, orders].map((database) => database.drop()));
  };
  return {
    legacy,
    catalog,
    orders,
    shop: (moves) => {
      const service = moves === 'catalog' ? catalog : orders;
      const environment: Shop['environment'] = (overrides = {}) => ({
        ...moveEnvironment({ legacy: legacy.target, service: service.target, plan, store }),
        ...overrides,
      });
      return {
        moves,
        legacy,
        service,
        plan,
        store,
        events: [],
        environment,
        runner: (overrides, signal = new AbortController().signal, waitMs = 0) =>
          ServiceRunner.open(environment(overrides), moves, { waitMs, signal }),
        drop,
      };
    },
    close: drop,
  };
}

interface Traffic extends Writers {
  readonly acknowledged: number;
  stop(): Promise<void>;
}

/** One client of the shared relation: inserts, updates that leave the large column alone, changed keys, deletes; where they are accepted. */
async function startTraffic({ legacy, catalog }: World): Promise<Traffic> {
  const sides = [
    await legacy.connect(legacy.applicationUrl),
    await catalog.connect(catalog.applicationUrl),
  ] as const;
  const errors: string[] = [];
  let isStopped = false;
  let acknowledged = 0;
  let side: 0 | 1 = 0;
  const work = async () => {
    for (let n = 0; !isStopped; await sleep(20)) {
      const turn = n % 4;
      const statement = [
        `INSERT INTO countries (code, name, anthem) VALUES ('new${n}', 'new ${n}', repeat('x', 4000))`,
        `UPDATE countries SET n = n + 1 WHERE code IN ('c${1 + (n % 1200)}', 'c${1 + ((n * 7) % 1200)}')`,
        `UPDATE countries SET code = 'moved${n}' WHERE code = 'new${n - 2}'`,
        `DELETE FROM countries WHERE code = 'moved${n - 5}'`,
      ][turn];
      try {
        await sides[side].query(statement ?? '');
        acknowledged++;
        n++;
      } catch (error) {
        const isElsewhere = isFenceError(error) || (error as { code?: string }).code === '42P01';
        if (!isElsewhere) errors.push((error as Error).message);
        side = side === 0 ? 1 : 0;
      }
    }
  };
  const working = work();
  return {
    errors,
    get acknowledged() {
      return acknowledged;
    },
    stop: async () => {
      isStopped = true;
      await working;
    },
  };
}

/** @param every 1: at each instant; n: at each n-th. */
export function tortureCopies(every: number): void {
  let world: World;
  let traffic: Traffic;
  let archive: string;

  beforeAll(async () => {
    archive = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-torture-'));
    world = await createWorld();
    traffic = await startTraffic(world);
  });
  afterAll(async () => {
    await traffic.stop();
    fs.rmSync(archive, { recursive: true, force: true });
    await world.close();
  });

  const walkOf = (service: string) =>
    new KillWalk(
      world.shop(service),
      traffic,
      'advance',
      { archive: { directory: archive }, decommission: { ...TEST_SETTINGS.decommission, graceMs: 100 } },
      every,
    );

  async function killed(service: string, leg: Leg): Promise<void> {
    await bringTo(world.shop(service), leg.from);
    const walk = walkOf(service);
    await walk.resumed(leg);
    expect(walk.kills, `${service}: ${leg.from} -> ${leg.to}`).toBeGreaterThan(0);
  }

  /** The copies, against what they copy, behind a marker. */
  const expectCopies = (where: string) => walkOf('orders-shared').expectBothEqual(where);

  test('the copies themselves: there, taken back half way, back, and there again', async () => {
    await killed('orders-shared', { from: 'planned', to: 'provisioned' });
    await walkOf('orders-shared').takenBack({ from: 'provisioned', to: 'dual-write' });
    await killed('orders-shared', { from: 'provisioned', to: 'dual-write' });
    await killed('orders-shared', { from: 'dual-write', to: 'provisioned' });
    await killed('orders-shared', { from: 'provisioned', to: 'planned' });
    expect(await world.orders.query("SELECT to_regnamespace('shared') AS there")).toEqual([{ there: null }]);
    await bringTo(world.shop('orders-shared'), 'dual-write');
    await expectCopies('there again');
  });

  test('the cutover of who owns what they copy, back and forward', async () => {
    await killed('catalog', { from: 'read-cutover', to: 'write-cutover' });
    await expectCopies('their owner has a database of its own');
    await killed('catalog', { from: 'write-cutover', to: 'read-cutover' });
    await expectCopies('legacy owns them again');
    await bringTo(world.shop('catalog'), 'sync');
  });

  test('the cutover of who reads them', async () => {
    await killed('orders', { from: 'read-cutover', to: 'write-cutover' });
    await expectCopies('beside a database that owns its writes');
    expect(
      await world.orders.query(
        'SELECT count(*)::int AS lost FROM orders WHERE country NOT IN (SELECT code FROM shared.countries)',
      ),
    ).toEqual([{ lost: 0 }]);
  });

  test('the end of the reader, of the copies and of their owner: nothing is left', async () => {
    await killed('orders', { from: 'sync', to: 'decommissioned' });
    await expectCopies('legacy no longer has the reader');
    await killed('orders-shared', { from: 'dual-write', to: 'provisioned' });
    await killed('orders-shared', { from: 'provisioned', to: 'planned' });
    await killed('catalog', { from: 'sync', to: 'decommissioned' });
    await traffic.stop();
    expect(traffic.errors).toEqual([]);
    expect(traffic.acknowledged).toBeGreaterThan(100);
    for (const database of [world.legacy, world.catalog, world.orders]) {
      const left = await database.query(
        `SELECT slot_name AS name FROM pg_replication_slots WHERE database = current_database()
         UNION ALL SELECT pubname FROM pg_publication
         UNION ALL SELECT subname FROM pg_stat_subscription
         UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'dbps%'`,
      );
      expect(left).toEqual([]);
    }
    expect(
      await world.legacy.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
      ),
    ).toEqual([]);
  });
}
