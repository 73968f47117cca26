import { spawn } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ownership } from '../../src/engines/engine.js';
import { openStateStore } from '../../src/state/knex-state-store.js';
import type { StateStore } from '../../src/state/state-store.js';
import { startMysqlServer } from '../support/mariadb.js';
import { createTestDatabase } from '../support/postgres.js';
import type { ConnectionTarget } from '../../src/model/connection-target.js';

const LEASE = { holder: 'ci-1', host: 'runner-1', durationMs: 60_000, waitMs: 0 };

interface Place {
  readonly url: string;
  readonly target: ConnectionTarget;
  query(sql: string): Promise<Record<string, unknown>[]>;
  drop(): Promise<void>;
}

/** The control tables of the MySQL family are the server's: an empty place is an empty server. */
async function mysqlPlace(): Promise<Place> {
  const server = await startMysqlServer();
  const database = await server.createDatabase();
  return {
    url: database.url,
    target: database.target,
    query: (sql) => database.query(sql),
    drop: async () => {
      await database.drop();
      await server.stop();
    },
  };
}

const ENGINES = [
  {
    engine: 'PostgreSQL',
    place: (): Promise<Place> => createTestDatabase('legacy'),
    aSecondAgo: "now() - interval '1 second'",
    schemata: "SELECT 1 FROM pg_namespace WHERE nspname = 'dbps'",
    route: `CREATE TABLE IF NOT EXISTS dbps.route (service text PRIMARY KEY, owner text NOT NULL, read_share int NOT NULL DEFAULT 0,
         read_relations jsonb NOT NULL DEFAULT '[]', epoch bigint NOT NULL, revision bigint NOT NULL DEFAULT 1, updated_at timestamptz DEFAULT now())`,
  },
  {
    engine: 'MariaDB',
    place: mysqlPlace,
    aSecondAgo: 'utc_timestamp(6) - interval 1 second',
    schemata: "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'dbps'",
    route: `CREATE TABLE IF NOT EXISTS dbps.route (
     service varchar(63) PRIMARY KEY, owner varchar(7) NOT NULL, read_share int NOT NULL DEFAULT 0, read_relations json NOT NULL,
     epoch bigint NOT NULL, revision bigint NOT NULL DEFAULT 1, updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))`,
  },
] as const;

describe.each(ENGINES)('$engine', ({ place, aSecondAgo, schemata, route }) => {
  let database: Place;
  let store: StateStore;

  beforeAll(async () => {
    database = await place();
    store = openStateStore(database.target, { applicationName: 'test state' });
  });

  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  /** A service of its own for each test, so that they may share a database. */
  let serial = 0;
  async function register(): Promise<string> {
    await store.install();
    const service = `s${++serial}`;
    await store.acceptPlan({ hash: '0badcafe', text: '{"version":1}' }, [service]);
    return service;
  }

  /** As when its runner died: the lease runs out, the epoch stays. */
  async function expire(service: string): Promise<void> {
    await database.query(
      `UPDATE dbps.service SET lease_expires_at = ${aSecondAgo} WHERE service = '${service}'`,
    );
  }

  describe('installation', () => {
    test('before it, there is nothing and nothing fails', async () => {
      const empty = await place();
      const other = openStateStore(empty.target, { applicationName: 'test state' });
      expect(await other.services()).toEqual([]);
      expect(await other.service('orders')).toBeNull();
      expect(await other.history()).toEqual([]);
      expect(await other.route('orders')).toBeNull();
      expect(await empty.query(schemata)).toEqual([]);
      await other.close();
      await empty.drop();
    });

    test('two processes at once leave one set of tables', async () => {
      const fresh = await place();
      const script = path.resolve(import.meta.dirname, '../support/processes/install-state.ts');
      const startAt = String(Date.now() + 4000);
      const ends = await Promise.all(
        [1, 2].map(
          () =>
            new Promise<{ code: number | null; stderr: string }>((resolve) => {
              const child = spawn(process.execPath, ['--import', 'tsx', script, fresh.url, startAt]);
              let stderr = '';
              child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
              child.on('exit', (code) => resolve({ code, stderr }));
            }),
        ),
      );
      expect(ends).toEqual([
        { code: 0, stderr: '' },
        { code: 0, stderr: '' },
      ]);
      expect(await fresh.query('SELECT version FROM dbps.state_version')).toEqual([{ version: 1 }]);
      expect(await fresh.query('SELECT service FROM dbps.service')).toEqual([{ service: 'orders' }]);
      await fresh.drop();
    });

    test('a state store of a newer dbps is left alone', async () => {
      const newer = await place();
      const other = openStateStore(newer.target, { applicationName: 'test state' });
      await other.install();
      await newer.query('INSERT INTO dbps.state_version (version) VALUES (99)');
      await expect(other.services()).rejects.toMatchObject({ code: 'DBPS_E302' });
      await expect(other.install()).rejects.toMatchObject({ code: 'DBPS_E302' });
      await other.close();
      await newer.drop();
    });
  });

  describe('lease', () => {
    test('a held lease names its holder', async () => {
      const service = await register();
      await store.acquireLease(service, LEASE);
      await expect(store.acquireLease(service, { ...LEASE, holder: 'ci-2' })).rejects.toMatchObject({
        code: 'DBPS_E301',
        message: expect.stringContaining('ci-1 on runner-1') as string,
      });
    });

    test('waiting gets it as soon as it is released', async () => {
      const service = await register();
      const first = await store.acquireLease(service, LEASE);
      const waiting = store.acquireLease(service, { ...LEASE, holder: 'ci-2', waitMs: 30_000 });
      await store.releaseLease(first);
      expect((await waiting).epoch).toBe(first.epoch + 1);
    });

    test('of two that ask at once one gets it', async () => {
      const service = await register();
      const results = await Promise.allSettled([
        store.acquireLease(service, LEASE),
        store.acquireLease(service, { ...LEASE, holder: 'ci-2' }),
      ]);
      expect(results.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected']);
    });

    test('a runner that was replaced cannot write a word', async () => {
      const service = await register();
      const dead = await store.acquireLease(service, LEASE);
      await expire(service);
      const next = await store.acquireLease(service, { ...LEASE, holder: 'ci-2' });
      expect(next.epoch).toBeGreaterThan(dead.epoch);
      await database.query(route);
      const { id } = await store.fileRequest({ service, kind: 'pause', parameters: {}, filedBy: 'me' });
      const writes: ((owner: Ownership) => Promise<unknown>)[] = [
        (owner) => store.update(owner, { phase: 'provisioned' }),
        (owner) => store.heartbeat(owner, null),
        (owner) =>
          store.append(owner, { transition: 'a', step: 'b', event: 'started', detail: null, data: null }),
        (owner) => store.takeRequest(owner),
        (owner) => store.finishRequest(owner, id, 'done', null),
        (owner) => store.updateRoute(owner, { readShare: 10 }),
        (owner) => store.forget(owner),
      ];
      for (const write of writes) await expect(write(dead)).rejects.toMatchObject({ code: 'DBPS_E301' });
      await store.releaseLease(dead);
      expect((await store.service(service))?.lease?.holder).toBe('ci-2');
      expect(await store.history(service)).toEqual([]);
      for (const write of writes) await write(next);
    });

    test('a new lease is above every epoch the databases have seen', async () => {
      const service = await register();
      expect((await store.acquireLease(service, { ...LEASE, floor: 41 })).epoch).toBe(42);
    });
  });

  describe('what it remembers', () => {
    test('phase, journal and progress come back as written', async () => {
      const service = await register();
      const owner = await store.acquireLease(service, LEASE);
      await store.update(owner, { target: 'provisioned', activity: 'running', reason: 'copying' });
      await store.append(owner, {
        transition: 'planned -> provisioned',
        step: 'install-control',
        event: 'started',
        detail: null,
        data: { note: 'ü"\'' },
      });
      const stream = {
        state: 'running',
        mode: 'apply',
        received: '0/2',
        applied: '0/1',
        head: '0/3',
        lagMs: 12,
        lagBytes: 2,
        changesApplied: 7,
        error: null,
      } as const;
      const progress = {
        step: 'copy',
        stepIndex: 1,
        steps: 4,
        forward: stream,
        reverse: null,
        waitingFor: null,
        rogueWrites: 0,
      };
      await store.heartbeat(owner, progress);
      expect(await store.service(service)).toMatchObject({
        phase: 'planned',
        target: 'provisioned',
        activity: 'running',
        reason: 'copying',
        epoch: owner.epoch,
        lease: { holder: 'ci-1' },
      });
      expect((await store.progress(service))?.progress).toEqual(progress);
      expect(await store.history(service)).toMatchObject([
        {
          step: 'install-control',
          event: 'started',
          data: { note: 'ü"\'' },
          epoch: owner.epoch,
          holder: 'ci-1',
        },
      ]);
    });

    test('a newer plan reaches services that have not begun, and no other', async () => {
      const begun = await register();
      const waiting = await register();
      const owner = await store.acquireLease(begun, LEASE);
      await store.update(owner, { target: 'provisioned' });
      await store.acceptPlan({ hash: 'feedface', text: '{"version":2}' }, [begun, waiting]);
      expect((await store.service(begun))?.planHash).toBe('0badcafe');
      expect((await store.service(waiting))?.planHash).toBe('feedface');
      expect((await store.acceptedPlan('0badcafe'))?.text).toBe('{"version":1}');
    });

    test('requests are taken once, in order; a cancelled one never', async () => {
      const service = await register();
      const owner = await store.acquireLease(service, LEASE);
      const file = (kind: 'pause' | 'resume' | 'abort') =>
        store.fileRequest({ service, kind, parameters: { wait: true }, filedBy: 'ops' });
      const [first, second, third] = [await file('pause'), await file('resume'), await file('abort')];
      expect(await store.cancelRequest(second.id)).toBe(true);
      expect(await store.takeRequest(owner)).toMatchObject({
        id: first.id,
        kind: 'pause',
        parameters: { wait: true },
      });
      expect(await store.takeRequest(owner)).toMatchObject({ id: third.id, kind: 'abort' });
      expect(await store.takeRequest(owner)).toBeNull();
      expect(await store.cancelRequest(third.id)).toBe(false);
      await store.finishRequest(owner, third.id, 'done', { phase: 'planned' });
      expect(await store.request(third.id)).toMatchObject({ state: 'done', result: { phase: 'planned' } });
    });
  });
});
