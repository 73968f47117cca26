/** Verification finds every planted difference, and never takes lag for loss. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Key, RelationMap } from '../../src/engines/engine.js';
import { PostgresChecksum } from '../../src/engines/postgres/postgres-checksum.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresIntrospector } from '../../src/engines/postgres/postgres-introspector.js';
import type { ComparedDatabase, VerifyInput } from '../../src/verification/verify-input.js';
import { verifyService } from '../../src/verification/verify.js';
import { mapOf } from '../support/moving.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

const DDL = `CREATE TYPE mood AS ENUM ('ok', 'sad');
  CREATE TABLE users (id integer PRIMARY KEY, name text, mood mood, tags text[], profile jsonb, balance numeric(12,2));
  CREATE TABLE orders (id bigint PRIMARY KEY, user_id integer, note text);
  CREATE SEQUENCE orders_seq AS smallint;`;
const ROWS = `INSERT INTO users SELECT g, 'user ' || g, 'ok', ARRAY['a', 'b'], '{"n": 5}', g FROM generate_series(1, 1000) g;
  INSERT INTO orders SELECT g, g % 1000 + 1, repeat('x', g % 7) FROM generate_series(1, 2000) g;`;

let legacy: TestDatabase;
let service: TestDatabase;
let maps: readonly RelationMap[];
let source: ComparedDatabase;
let target: ComparedDatabase;
const closing: (() => Promise<void>)[] = [];

async function compared(database: TestDatabase): Promise<ComparedDatabase> {
  const options = { applicationName: 'dbps test' };
  const pool = await SessionPool.open(database.target, options);
  const checksum = new PostgresChecksum(database.target, options);
  closing.push(
    () => checksum.close(),
    () => pool.close(),
  );
  return { engine: 'postgres', checksum, introspector: new PostgresIntrospector(pool) };
}

beforeAll(async () => {
  [legacy, service] = await Promise.all([
    createTestDatabase('legacy', DDL),
    createTestDatabase('service', DDL),
  ]);
  maps = [await mapOf(legacy, 'public.users'), await mapOf(legacy, 'public.orders')];
  [source, target] = await Promise.all([compared(legacy), compared(service)]);
});
afterAll(async () => {
  for (const close of closing) await close();
  await Promise.all([legacy.drop(), service.drop()]);
});
beforeEach(async () => {
  await Promise.all([legacy, service].map((side) => side.query(`TRUNCATE users, orders; ${ROWS}`)));
});

const input = (overrides: Partial<VerifyInput> = {}): VerifyInput => ({
  service: 'shop',
  source,
  target,
  maps,
  owner: 'source',
  mode: 'full',
  barrier: async () => undefined,
  chunkRows: 300,
  hashedRows: 1_000,
  jobs: 2,
  emit: () => undefined,
  signal: new AbortController().signal,
  now: () => Date.now(),
  ...overrides,
});

describe('finds what differs', () => {
  const planted: [what: string, sql: string, kind: string, columns: string[], rows: number][] = [
    ['a value', "UPDATE users SET name = 'x' WHERE id = 500", 'values', ['name'], 1],
    ['a missing row', 'DELETE FROM users WHERE id = 1', 'missing', [], 1],
    ['a missing last row', 'DELETE FROM users WHERE id = 1000', 'missing', [], 1],
    ['an extra row, below all others', "INSERT INTO users VALUES (-5, 'extra')", 'extra', [], 1],
    ['an extra row, above all others', "INSERT INTO users VALUES (100000, 'extra')", 'extra', [], 1],
    [
      'two rows’ values swapped',
      "UPDATE users SET name = CASE id WHEN 7 THEN 'user 8' ELSE 'user 7' END WHERE id IN (7, 8)",
      'values',
      ['name'],
      2,
    ],
    ["NULL for ''", 'UPDATE users SET name = NULL WHERE id = 3', 'values', ['name'], 1],
    ['an enum', "UPDATE users SET mood = 'sad' WHERE id = 3", 'values', ['mood'], 1],
    ['an array', "UPDATE users SET tags = '{a,NULL}' WHERE id = 3", 'values', ['tags'], 1],
    ['a sign inside jsonb', `UPDATE users SET profile = '{"n": -5}' WHERE id = 3`, 'values', ['profile'], 1],
    ['a sign of numeric', 'UPDATE users SET balance = -balance WHERE id = 3', 'values', ['balance'], 1],
    ['a key', 'UPDATE users SET id = 100000 WHERE id = 3', 'missing', [], 2],
  ];
  test.each(planted)('%s', async (_, sql, kind, columns, rows) => {
    await service.query(sql);
    const result = await verifyService(input());
    const [users, orders] = result.relations;
    expect(users).toMatchObject({ differing: rows, unsettled: 0 });
    expect(orders).toMatchObject({ differing: 0, rows: 2000 });
    expect(users?.differences[0]).toMatchObject({ kind, keyColumns: ['id'] });
    expect(users?.differences[0]?.columns.map((column) => column.column)).toEqual(columns);
    expect(result.isEqual).toBe(false);
    expect(result.findings).toMatchObject([{ code: 'VRF301', subject: 'public.users', severity: 'error' }]);

    // The SQL that it offers makes the sides equal.
    for (const { repairSql } of users?.differences ?? []) await service.query(repairSql);
    expect((await verifyService(input())).isEqual).toBe(true);
  });

  test('more rows than are shown are counted all the same; the service as owner turns the direction', async () => {
    await service.query('DELETE FROM users WHERE id % 10 = 0');
    const result = await verifyService(input({ shown: 5 }));
    expect(result.relations[0]).toMatchObject({ differing: 100 });
    expect(result.relations[0]?.differences).toHaveLength(5);
    const turned = await verifyService(input({ owner: 'target' }));
    expect(turned.relations[0]).toMatchObject({ differing: 100, rows: 900 });
    expect(turned.relations[0]?.differences[0]?.kind).toBe('extra');
  });

  test('counts: numbers only, and says so', async () => {
    await service.query(
      "UPDATE users SET name = 'x' WHERE id = 500; DELETE FROM orders WHERE id IN (1, 2, 3)",
    );
    const result = await verifyService(input({ mode: 'counts' }));
    expect(result.relations).toMatchObject([
      { relation: 'public.users', rows: 1000, differing: 0 },
      { relation: 'public.orders', rows: 2000, differing: 3 },
    ]);
    expect(result.notCompared).toContainEqual({
      subject: 'values',
      reason: expect.stringContaining('numbers of rows') as string,
    });
  });

  test('changed: the keys of the set and nothing else; equal ones leave it', async () => {
    await service.query("UPDATE users SET name = 'x' WHERE id IN (5, 6)");
    const keys = new Map<string, Key[]>([['public.users', [['5'], ['7'], ['2000']]]]);
    const changed = {
      size: async () => [...keys.values()].flat().length,
      take: async (map: RelationMap, limit: number) => (keys.get(map.source) ?? []).slice(0, limit),
      remove: async (map: RelationMap, gone: readonly Key[]) => {
        keys.set(
          map.source,
          (keys.get(map.source) ?? []).filter((key) => !gone.some((g) => g[0] === key[0])),
        );
      },
    };
    const result = await verifyService(input({ mode: 'changed', changed }));
    expect(result.relations).toMatchObject([
      { relation: 'public.users', rows: 3, differing: 1 },
      { relation: 'public.orders', rows: 0, differing: 0 },
    ]);
    expect(result.relations[0]?.differences[0]?.key).toEqual(['5']);
    expect(keys.get('public.users')).toEqual([['5']]);
    expect(result.notCompared.map((n) => n.subject)).toContain('rows that did not change');
  });

  test('changed: a truncated relation is compared as a whole', async () => {
    await service.query('DELETE FROM orders WHERE id = 9');
    let keys: Key[] = [[]];
    const changed = {
      size: async () => keys.length,
      take: async (map: RelationMap) => (map.source === 'public.orders' ? keys : []),
      remove: async (_: RelationMap, gone: readonly Key[]) => {
        keys = keys.filter((key) => !gone.some((g) => JSON.stringify(g) === JSON.stringify(key)));
      },
    };
    const result = await verifyService(input({ mode: 'changed', changed }));
    expect(result.relations[1]).toMatchObject({ rows: 2000, differing: 1 });
    expect(keys).toEqual([[]]);
    await service.query('INSERT INTO orders SELECT 9, 10, repeat($$x$$, 2)');
    expect((await verifyService(input({ mode: 'changed', changed }))).isEqual).toBe(true);
    expect(keys).toEqual([]);
  });

  test('orphans, the shape, and sequences that run out', async () => {
    const reference = {
      child: 'public.orders',
      childColumns: ['user_id'],
      parent: 'public.users',
      parentColumns: ['id'],
    };
    const references = [{ label: 'orders.user_id -> users.id', source: reference, target: reference }];
    const expected = await source.introspector.read({ schemas: ['public'] });
    await service.query('DELETE FROM users WHERE id = 1');
    await legacy.query("SELECT setval('orders_seq', 30000)");
    try {
      await service.query('ALTER TABLE orders ADD COLUMN extra text');
      const result = await verifyService(
        input({
          references,
          expected,
          sequences: [{ source: 'public.orders_seq', target: 'public.orders_seq' }],
        }),
      );
      expect(result.orphans).toEqual([
        {
          label: 'orders.user_id -> users.id',
          child: 'public.orders',
          parent: 'public.users',
          count: 2,
          sample: [['1']],
        },
      ]);
      expect(result.sequences).toMatchObject([
        { sequence: 'public.orders_seq', next: '30001', limit: '32767', left: '2767' },
      ]);
      expect(result.shape).toMatchObject({
        outcome: 'differs',
        detail: expect.stringContaining('extra') as string,
      });
      expect(result.findings.map((f) => f.code)).toEqual(['VRF101', 'VRF201', 'VRF301', 'VRF401']);
      expect(result.notCompared).toContainEqual({
        subject: 'public.orders.extra',
        reason: 'not in the plan',
      });
    } finally {
      await service.query('ALTER TABLE orders DROP COLUMN extra');
    }
  });
});

/** Applies every write to the other side later, in order; a barrier waits for what was written before it. */
class LaggingApplier {
  #queue: string[] = [];
  #applied = 0;
  #written = 0;
  #isRunning = true;
  readonly #loop: Promise<void>;

  constructor(lagMs: number) {
    this.#loop = (async () => {
      while (this.#isRunning || this.#queue.length > 0) {
        await new Promise((resolve) => setTimeout(resolve, lagMs));
        const batch = this.#queue.splice(0);
        for (const sql of batch) await service.query(sql);
        this.#applied += batch.length;
      }
    })();
  }

  async write(sql: string): Promise<void> {
    await legacy.query(sql);
    this.#queue.push(sql);
    this.#written++;
  }

  barrier = async (): Promise<void> => {
    const until = this.#written;
    while (this.#applied < until) await new Promise((resolve) => setTimeout(resolve, 1));
  };

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#loop;
  }
}

describe('lag is not loss', () => {
  test.each(['full', 'counts'] as const)('%s under concurrent writes', async (mode) => {
    const applier = new LaggingApplier(30);
    let isWriting = true;
    let n = 0;
    const writing = (async () => {
      while (isWriting) {
        n++;
        await applier.write(`INSERT INTO users (id, name) VALUES (${10_000 + n}, 'new');
          UPDATE orders SET note = 'changed ${n}' WHERE id = ${(n * 37) % 2000};
          UPDATE users SET balance = ${n} WHERE id = 77;
          DELETE FROM orders WHERE id = ${(n * 101) % 2000}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    // One row is really lost, in the middle of it all.
    await service.query('DELETE FROM users WHERE id = 400');
    const waits: string[] = [];
    const result = await verifyService(
      input({
        mode,
        barrier: applier.barrier,
        emit: (event) => void (event.type === 'waiting' && waits.push(event.for)),
      }),
    );
    isWriting = false;
    await writing;
    await applier.stop();
    if (mode === 'full') {
      expect(result.relations.map((r) => r.differing)).toEqual([1, 0]);
      expect(result.relations[0]?.differences).toMatchObject([{ key: ['400'], kind: 'missing' }]);
      expect(result.relations.reduce((sum, r) => sum + r.rechecked, 0) + result.rounds).toBeGreaterThan(0);
    } else {
      // Rows that come and go in between may hide one that is lost; they never make it look like more.
      expect(result.relations[0]!.differing).toBeLessThanOrEqual(1);
      expect(result.relations[1]!.differing).toBe(0);
      const quiet = await verifyService(input({ mode }));
      expect(quiet.relations.map((r) => r.differing)).toEqual([1, 0]);
    }
    if (mode === 'full') expect(waits).toContain('barrier');

    await service.query("INSERT INTO users SELECT 400, 'user 400', 'ok', ARRAY['a', 'b'], '{\"n\": 5}', 400");
    expect((await verifyService(input({ mode }))).isEqual).toBe(true);
  });

  test('a row that never rests is called neither equal nor different', async () => {
    let n = 0;
    // The other side stands still; the owner's row changes in every round.
    const result = await verifyService(
      input({
        barrier: async () => void (await legacy.query(`UPDATE users SET balance = ${++n} WHERE id = 9`)),
      }),
    );
    // At first sight both are equal, so make them differ before.
    expect(result.isEqual).toBe(true);
    await legacy.query('UPDATE users SET balance = -1 WHERE id = 9');
    const again = await verifyService(
      input({
        barrier: async () => void (await legacy.query(`UPDATE users SET balance = ${--n} WHERE id = 9`)),
      }),
    );
    expect(again.relations[0]).toMatchObject({ differing: 0, unsettled: 1 });
    expect(again.findings).toMatchObject([{ code: 'VRF302' }]);
    expect(again.isEqual).toBe(false);
  });
});
