/** One service from plan to decommission by the command line, within the MySQL family and from each engine to the other, under writers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ENGINE_SHOP,
  missingFrom,
  SHOP_ON,
  startEngineTraffic,
  type EngineTraffic,
} from '../support/engine-shop.js';
import { BIN, cleanEnvironment } from '../support/cli.js';
import { startMysqlServer, type MysqlTestServer } from '../support/mariadb.js';
import { createTestDatabase } from '../support/postgres.js';
import { createProjectOn, type Place, type Project } from '../support/project.js';

interface Servers {
  readonly one: MysqlTestServer;
  readonly other: MysqlTestServer;
}

const GRANTS = 'GRANT USAGE ON SCHEMA public TO shop_app';
const PAIRS: readonly {
  readonly name: string;
  /** By triggers instead of the log. */
  readonly capture?: 'trigger';
  readonly legacy: (servers: Servers) => Promise<Place>;
  readonly target: (servers: Servers) => Promise<Place>;
}[] = [
  {
    name: 'MySQL family, two servers',
    legacy: ({ one }) => one.createDatabase(SHOP_ON.mysql),
    target: ({ other }) => other.createDatabase(),
  },
  {
    name: 'MySQL family, databases of one server',
    legacy: ({ one }) => one.createDatabase(SHOP_ON.mysql),
    target: ({ one }) => one.createDatabase(),
  },
  {
    name: 'MySQL family to PostgreSQL',
    legacy: ({ one }) => one.createDatabase(SHOP_ON.mysql),
    target: () => createTestDatabase('service', GRANTS),
  },
  {
    name: 'PostgreSQL to MySQL family',
    legacy: () => createTestDatabase('legacy', SHOP_ON.postgres),
    target: ({ other }) => other.createDatabase(),
  },
  {
    name: 'MySQL family by triggers',
    capture: 'trigger',
    legacy: ({ one }) => one.createDatabase(SHOP_ON.mysql),
    target: ({ other }) => other.createDatabase(),
  },
  {
    name: 'PostgreSQL by triggers',
    capture: 'trigger',
    legacy: () => createTestDatabase('legacy', SHOP_ON.postgres),
    target: () => createTestDatabase('service', GRANTS),
  },
];

describe.each(PAIRS)('$name', { timeout: 300_000 }, ({ capture, legacy: openLegacy, target: openTarget }) => {
  let project: Project<Place>;
  let legacy: Place;
  let service: Place;
  let traffic: EngineTraffic | undefined;
  let replicator: ChildProcess | undefined;
  let running: Promise<[number | null]> | undefined;
  let servers: Servers;
  beforeAll(async () => {
    // Control tables belong to a server: each pair has its own.
    servers = { one: await startMysqlServer(), other: await startMysqlServer() };
    legacy = await openLegacy(servers);
    service = await openTarget(servers);
    project = createProjectOn(
      legacy,
      { users: await openTarget(servers), orders: service },
      {
        services: ENGINE_SHOP,
        migration: `  capture: ${capture ?? 'auto'}\n  gates: { decommission: { soak: 0 } }`,
      },
    );
  });
  afterAll(async () => {
    await traffic?.stop().catch(() => undefined);
    replicator?.kill('SIGTERM');
    await running;
    await project?.close();
    await servers?.one.stop();
    await servers?.other.stop();
  });

  const ok = async (...args: string[]) => {
    const envelope = await project.json(args);
    expect(envelope.error, args.join(' ')).toBeNull();
    return envelope.result;
  };
  const advance = (to: string, ...more: string[]) =>
    ok('migrate', 'advance', 'orders', '--to', to, '--yes', ...more);

  test('plan, generate, doctor', async () => {
    await ok('plan');
    await ok('generate');
    const doctor = await project.json(['doctor']);
    expect(doctor.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  test('forward under writers, verified', async () => {
    await advance('provisioned');
    // What accounts may do does not cross engines (TYP403 says so): the operator grants it.
    if (service.url.startsWith('postgres:'))
      await service.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_app');
    // Long-lived, as in production: the other commands file requests with it.
    replicator = spawn(process.execPath, [BIN, 'run'], {
      cwd: project.directory,
      env: cleanEnvironment(),
      stdio: 'ignore',
    });
    running = once(replicator, 'exit') as Promise<[number | null]>;
    traffic = await startEngineTraffic(legacy, service);
    await advance('dual-write');
    expect(await ok('verify', 'orders')).toMatchObject({ isEqual: true });
    await advance('read-cutover', '--reads', '10');
    await advance('write-cutover');
    expect(await ok('status', 'orders')).toMatchObject({
      services: [
        { phase: 'write-cutover', traffic: { owner: 'service', readShare: 100, legacyFence: 'closed' } },
      ],
    });
    await expect(legacy.query("INSERT INTO orders (user_id, code) VALUES (1, 'stray')")).rejects.toThrow();
  });

  test('back, and forward again, and nothing is lost', async () => {
    await ok('rollback', 'orders', '--yes');
    await expect(service.query("INSERT INTO orders (user_id, code) VALUES (1, 'stray')")).rejects.toThrow();
    await advance('write-cutover');
    await advance('sync');
    expect(await ok('verify', 'orders')).toMatchObject({ isEqual: true });
    const ended = traffic as EngineTraffic;
    await ended.stop();
    traffic = undefined;
    expect(ended.present.size).toBeGreaterThan(20);
    expect(await missingFrom(service, ended)).toEqual([]);
  });

  test('decommissioned, with nothing left behind', async () => {
    const rehearsed = await project.run([
      'migrate',
      'advance',
      'orders',
      '--to',
      'decommissioned',
      '--dry-run',
      // The stream back may be behind for a moment.
      '--wait',
    ]);
    const token = /--confirm (orders@[0-9a-f]{8}\.e\d+)/.exec(rehearsed.stdout)?.[1] ?? '';
    expect(token, rehearsed.stdout + rehearsed.stderr).not.toBe('');
    await ok('migrate', 'advance', 'orders', '--to', 'decommissioned', '--confirm', token);
    // Its runner lets go, and has not taken for a drift of the schema what it dropped itself.
    const status = async () => {
      const { services } = (await ok('status', 'orders')) as { services: readonly { runner: unknown }[] };
      return services[0];
    };
    await expect.poll(async () => (await status())?.runner, { timeout: 120_000, interval: 500 }).toBeNull();
    expect(await status()).toMatchObject({ phase: 'decommissioned', activity: 'idle', reason: null });
    replicator?.kill('SIGTERM');
    await running;
    await expect(legacy.query('SELECT count(*) FROM orders')).rejects.toThrow();
    expect(await service.query("INSERT INTO orders (user_id, code) VALUES (1, 'after')")).toBeDefined();
    // What is gone for good is not looked for.
    const doctor = await project.json(['doctor']);
    expect([doctor.error, doctor.result]).toMatchObject([null, { unknown: 0 }]);
    expect(doctor.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });
});
