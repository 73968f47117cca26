/**
 * The use cases that move a service, called as a library: what `status` tells of who holds it and how it is, what `perform` does with and without a
 * live runner, what a dry run leaves alone, and that `run` goes on with what a crash left.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advance } from '../../src/app/advance.js';
import type { MoveOptions } from '../../src/app/move.js';
import { pause, resume } from '../../src/app/pause.js';
import { perform } from '../../src/app/perform.js';
import { planSplit, writePlan } from '../../src/app/plan.js';
import { rehearseWish } from '../../src/app/rehearse.js';
import { run } from '../../src/app/run.js';
import { status, type ServiceStatus } from '../../src/app/status.js';
import type { Config } from '../../src/config/config.js';
import { parseConfig } from '../../src/config/load.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const LEASE_MS = 2_000;

let legacy: TestDatabase;
let service: TestDatabase;
let directory: string;
let config: Config;
const signal = new AbortController().signal;

const options = (overrides: Partial<MoveOptions> = {}): MoveOptions => ({
  emit: () => undefined,
  signal,
  now: () => Date.now(),
  holder: 'ci-1',
  host: 'here',
  leaseMs: LEASE_MS,
  ...overrides,
});

beforeAll(async () => {
  legacy = await createTestDatabase(
    'legacy',
    `CREATE TABLE orders (id bigint PRIMARY KEY, note text);
     INSERT INTO orders SELECT g, 'n' || g FROM generate_series(1, 1500) g; ANALYZE`,
  );
  service = await createTestDatabase('service');
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-use-cases-'));
  config = parseConfig(
    path.join(directory, 'dbps.yaml'),
    `version: 1
source: { engine: postgres, url: "\${SHARED_URL}", schemas: [public] }
services:
  orders:
    relations: [orders]
    target: { engine: postgres, url: "\${ORDERS_URL}" }
migration:
  chunk: { rows: 500 }
`,
    { SHARED_URL: legacy.url, ORDERS_URL: service.url },
  );
  fs.mkdirSync(path.join(directory, 'dbps'));
  await writePlan(
    path.join(directory, 'dbps/plan.json'),
    await planSplit(config, { createdAt: '2026-01-01T00:00:00.000Z', signal }),
  );
});
afterAll(async () => {
  await legacy.drop();
  await service.drop();
  fs.rmSync(directory, { recursive: true, force: true });
});

async function look(now = () => Date.now()): Promise<ServiceStatus> {
  const [found] = await status(config, { signal, now });
  if (found === undefined) throw new Error('no status');
  return found;
}

async function until(isSo: (found: ServiceStatus) => boolean, what: string): Promise<ServiceStatus> {
  for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
    const found = await look();
    if (isSo(found)) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}: ${JSON.stringify(found)}`);
  }
}

/** A crash as nothing in this process can be killed: the lease stays, and nobody's heart beats for it. */
class Crash extends Error {}

const crashAt = (wanted: string) => async (point: string) => {
  if (point === wanted) throw new Crash(point);
};

async function whileRunning<T>(work: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const running = run(config, options({ holder: 'run-1', signal: stop.signal }));
  try {
    await until((found) => found.runner?.holder === 'run-1' && found.runner.isLive, 'the runner');
    return await work();
  } finally {
    stop.abort();
    await running;
  }
}

test('status of a service that nobody has begun, and a service that is not there', async () => {
  expect(await look()).toMatchObject({
    service: 'orders',
    phase: 'planned',
    isNew: true,
    runner: null,
    traffic: { owner: 'legacy', readShare: 0, legacyFence: 'absent' },
    next: 'dbps migrate advance orders --to provisioned',
  });
  expect(await legacy.query("SELECT to_regnamespace('dbps') AS made")).toEqual([{ made: null }]);
  await expect(status(config, { services: ['order'], signal, now: () => 0 })).rejects.toMatchObject({
    code: 'DBPS_E107',
  });
  await expect(advance(config, 'order', options())).rejects.toMatchObject({ code: 'DBPS_E107' });
});

test('a dry run tells guards and statements, takes no lease and leaves nothing', async () => {
  const wish = { kind: 'advance', parameters: {} } as const;
  const told = await rehearseWish(config, 'orders', wish, options());
  expect(told).toMatchObject({ phase: 'planned', isReady: true, confirm: null });
  expect(told.legs.map(({ from, to }) => `${from} ${to}`)).toEqual(['planned provisioned']);
  expect(told.legs[0]?.guards.length).toBeGreaterThan(2);
  expect(JSON.stringify(told.legs[0])).toContain('CREATE TABLE');
  expect(await legacy.query("SELECT to_regnamespace('dbps') AS made")).toEqual([{ made: null }]);
  expect(await service.query("SELECT to_regclass('public.orders') AS made")).toEqual([{ made: null }]);
});

test('perform without a runner is the runner, and gives the service back', async () => {
  expect(await advance(config, 'orders', options({}))).toMatchObject({
    service: 'orders',
    by: 'self',
    request: null,
    phase: 'provisioned',
    transitions: [{ from: 'planned', to: 'provisioned' }],
  });
  expect(await look()).toMatchObject({
    phase: 'provisioned',
    target: null,
    activity: 'idle',
    isNew: false,
    runner: null,
    traffic: { serviceFence: 'closed' },
    next: 'dbps run',
  });
});

test('a refusal changes nothing: no transition is under way after it', async () => {
  await expect(advance(config, 'orders', { ...options(), to: 'sync' })).rejects.toMatchObject({
    family: 'refused',
  });
  await expect(
    perform(config, 'orders', { kind: 'rollback', to: 'sync', parameters: {} }, options()),
  ).rejects.toMatchObject({ family: 'refused' });
  expect(await look()).toMatchObject({ phase: 'provisioned', target: null, runner: null });
});

test('stopped in the middle: told with what goes on from there; abort takes it back, and advance begins anew', async () => {
  const stopped = advance(config, 'orders', options({ at: crashAt('copy.chunk-written') }));
  await expect(stopped).rejects.toThrow(Crash);
  const found = await look();
  expect(found).toMatchObject({
    phase: 'provisioned',
    target: 'dual-write',
    runner: null,
    next: 'dbps migrate advance orders --to dual-write',
  });
  expect(found.relations[0]?.chunksDone).toBeGreaterThan(0);
  expect(await perform(config, 'orders', { kind: 'rollback', parameters: {} }, options())).toMatchObject({
    by: 'self',
    phase: 'provisioned',
  });
  expect(await look()).toMatchObject({ phase: 'provisioned', target: null });
  expect(await service.query('SELECT FROM orders')).toEqual([]);
});

test('run goes on with a transition that a crash left, and status tells a dead runner from a live one', async () => {
  await expect(advance(config, 'orders', options({ at: crashAt('copy.chunk-written') }))).rejects.toThrow(
    Crash,
  );
  // As a killed process leaves it: still held, by nobody.
  await legacy.query(
    "UPDATE dbps.service SET lease_holder = 'ci-dead', lease_host = 'gone', lease_expires_at = now() + interval '1 hour'",
  );
  expect((await look()).runner).toMatchObject({ holder: 'ci-dead', host: 'gone', isLive: true });
  await expect(advance(config, 'orders', { ...options(), timeoutMs: 500 })).rejects.toMatchObject({
    code: 'DBPS_E501',
    family: 'interrupted',
  });
  await legacy.query("UPDATE dbps.service SET lease_expires_at = now() - interval '1 second'");
  expect(await look()).toMatchObject({
    runner: { holder: 'ci-dead', isLive: false },
    progress: null,
    next: 'dbps migrate advance orders --to dual-write',
  });

  await whileRunning(async () => {
    const done = await advance(config, 'orders', { ...options(), to: 'dual-write' });
    expect(done).toMatchObject({ by: 'runner', phase: 'dual-write' });
    expect(done.request).not.toBeNull();
    const live = await until(
      ({ capture }) => capture.forward?.mode === 'apply' && capture.forward.lagMs !== null,
      'what the runner tells of its streams',
    );
    expect(live).toMatchObject({
      phase: 'dual-write',
      runner: { holder: 'run-1', isLive: true },
      capture: { forward: { isActive: true, isLost: false, error: null } },
      next: 'dbps migrate advance orders --to read-cutover',
    });
  });
  expect(await look()).toMatchObject({ runner: null, activity: 'idle', progress: null, next: 'dbps run' });
  expect(await service.query('SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 1500 }]);
});

test('paused: told with its reason, refuses to move, and goes on when it is resumed', async () => {
  await pause(config, 'orders', options());
  expect(await look()).toMatchObject({
    activity: 'paused',
    reason: 'asked for by ci-1 on here',
    next: 'dbps migrate resume orders',
  });
  await expect(advance(config, 'orders', options())).rejects.toMatchObject({
    code: 'DBPS_E327',
    hint: 'dbps migrate resume orders',
  });
  await resume(config, 'orders', options());
  expect(await look()).toMatchObject({ activity: 'idle', reason: null });
});

test('with a live runner a wish is filed: followed to its end, or left with it', async () => {
  await whileRunning(async () => {
    expect(await advance(config, 'orders', { ...options(), parameters: { reads: 25 } })).toMatchObject({
      by: 'runner',
      phase: 'read-cutover',
    });
    // A refusal by the runner's guards is thrown here as what it is.
    await expect(advance(config, 'orders', { ...options(), to: 'decommissioned' })).rejects.toMatchObject({
      family: 'refused',
    });
    const filed = await advance(config, 'orders', { ...options(), to: 'write-cutover', detach: true });
    expect(filed).toMatchObject({ by: 'filed', transitions: [] });
    await until((found) => found.phase === 'write-cutover' && found.target === null, 'the filed request');
  });
});

test('a dry run with --wait asks again until a guard that may pass has passed; at its timeout it tells what refuses', async () => {
  await whileRunning(async () => {
    await until(({ capture }) => capture.reverse?.mode === 'apply', 'the stream back');
    const wish = { kind: 'rollback', parameters: { wait: true } } as const;
    await service.query("BEGIN; UPDATE orders SET note = 'held' WHERE id = 7; PREPARE TRANSACTION 'held'");
    try {
      const refused = await rehearseWish(config, 'orders', wish, { ...options(), timeoutMs: 0 });
      expect(refused.isReady).toBe(false);
      const waited: string[] = [];
      const told = await rehearseWish(config, 'orders', wish, {
        ...options(),
        emit: (event) => {
          if (event.type !== 'waiting' || waited.push(event.for) !== 3) return;
          void service.query("ROLLBACK PREPARED 'held'");
        },
      });
      expect(told.isReady).toBe(true);
      expect(waited.length).toBeGreaterThanOrEqual(3);
      expect(waited[0]).toContain('no-long-transactions');
    } finally {
      await service.query("ROLLBACK PREPARED 'held'").catch(() => undefined);
    }
  });
});

test('status asks the databases who takes writes: a gap in the fence of legacy is an error with a finding', async () => {
  expect(await look()).toMatchObject({
    traffic: { owner: 'service', readShare: 100, legacyFence: 'closed', serviceFence: 'open' },
    findings: [],
  });
  await legacy.query('ALTER TABLE orders DISABLE TRIGGER dbps_fence');
  expect(await look()).toMatchObject({
    traffic: { legacyFence: 'damaged' },
    findings: [{ code: 'DRF101', severity: 'error', service: 'orders' }],
  });
  await legacy.query('ALTER TABLE orders ENABLE TRIGGER dbps_fence');
  expect((await look()).findings).toEqual([]);
});

test('status when the service database cannot be asked says so, and abort leaves nothing', async () => {
  const unreachable = parseConfig(
    path.join(directory, 'dbps.yaml'),
    `version: 1
source: { engine: postgres, url: "\${SHARED_URL}", schemas: [public] }
services: { orders: { relations: [orders], target: { engine: postgres, url: "postgres://nobody:x@127.0.0.1:1/none" } } }
`,
    { SHARED_URL: legacy.url },
  );
  const [found] = await status(unreachable, { signal, now: () => Date.now() });
  expect(found).toMatchObject({
    phase: 'write-cutover',
    traffic: { owner: 'service', legacyFence: 'closed', serviceFence: 'unknown' },
    unknown: [expect.stringContaining("orders's database: ") as string],
  });
  await perform(config, 'orders', { kind: 'rollback', to: 'read-cutover', parameters: {} }, options());
  expect(await look()).toMatchObject({ traffic: { owner: 'legacy', legacyFence: 'open' } });
  expect(await perform(config, 'orders', { kind: 'abort' }, options())).toMatchObject({ phase: 'planned' });
  expect(
    await legacy.query('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'),
  ).toEqual([]);
  expect(await legacy.query('SELECT pubname FROM pg_publication')).toEqual([]);
});
