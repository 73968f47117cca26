/** Guessed references against the data: the same cases on both engines, then what analyze makes of the answers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { analyze } from '../../src/app/analyze.js';
import { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { MysqlReferenceProbe } from '../../src/engines/mysql/mysql-reference-probe.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresReferenceProbe } from '../../src/engines/postgres/postgres-reference-probe.js';
import type { ReferenceProbe } from '../../src/engines/usage.js';
import { startMysqlServer } from '../support/mariadb.js';
import { createTestDatabase } from '../support/postgres.js';

/** 2,000 orders: every customer is there, one batch in ten is, notes have no values, codes are text. */
const TABLES = `
CREATE TABLE customers (id INT PRIMARY KEY);
CREATE TABLE batches (id INT PRIMARY KEY);
CREATE TABLE notes (id INT PRIMARY KEY);
CREATE TABLE shops (id VARCHAR(20) PRIMARY KEY);
CREATE TABLE orders (id INT PRIMARY KEY, customer_id BIGINT, batch_id INT, note_id INT, shop_id VARCHAR(40));`;

interface Stage {
  readonly schema: string;
  readonly probe: ReferenceProbe;
  readonly close: () => Promise<void>;
}

const STAGES: readonly (readonly [string, () => Promise<Stage>])[] = [
  [
    'postgres',
    async () => {
      const database = await createTestDatabase('legacy', TABLES);
      await database.query(`INSERT INTO customers SELECT n FROM generate_series(1, 500) n`);
      await database.query(`INSERT INTO batches SELECT n FROM generate_series(10, 500, 10) n`);
      await database.query(`INSERT INTO shops SELECT 's' || n FROM generate_series(1, 20) n`);
      await database.query(
        `INSERT INTO orders SELECT n, 1 + n % 500, 1 + n % 500, NULL, 's' || 1 + n % 20 FROM generate_series(1, 2000) n`,
      );
      await database.query('ANALYZE');
      const pool = await SessionPool.open(database.target, { applicationName: 'test', readOnly: true });
      return {
        schema: 'public',
        probe: new PostgresReferenceProbe(pool),
        close: async () => {
          await pool.close();
          await database.drop();
        },
      };
    },
  ],
  [
    'mysql',
    async () => {
      const server = await startMysqlServer();
      const database = await server.createDatabase(TABLES);
      const numbers =
        'WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2000) SELECT';
      await database.query('SET max_recursive_iterations = 5000').catch(() => undefined);
      await database.query(`INSERT INTO customers ${numbers} n FROM s WHERE n <= 500`);
      await database.query(`INSERT INTO batches ${numbers} n FROM s WHERE n <= 500 AND n % 10 = 0`);
      await database.query(`INSERT INTO shops ${numbers} CONCAT('s', n) FROM s WHERE n <= 20`);
      await database.query(
        `INSERT INTO orders ${numbers} n, 1 + n % 500, 1 + n % 500, NULL, CONCAT('s', 1 + n % 20) FROM s`,
      );
      const pool = await MysqlPool.open(database.target, { applicationName: 'test', readOnly: true });
      return {
        schema: database.name,
        probe: new MysqlReferenceProbe(pool),
        close: async () => {
          await pool.close();
          await database.drop();
          await server.stop();
        },
      };
    },
  ],
];

describe.each(STAGES)('%s', (_engine, open) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await open();
  });
  afterAll(async () => stage?.close());

  const ask = (column: string, parent: string, parentColumn = 'id', sampleValues = 100) =>
    stage.probe
      .hitRates(
        [
          {
            child: `${stage.schema}.orders`,
            column,
            parent: `${stage.schema}.${parent}`,
            parentColumn,
          },
        ],
        { sampleValues, timeoutMs: 5000 },
      )
      .then(([found]) => found);

  test('every value is there', async () => {
    expect(await ask('customer_id', 'customers')).toEqual({ values: 100, hitRate: 1 });
    expect(await ask('shop_id', 'shops')).toEqual({ values: 20, hitRate: 1 });
  });

  test('few values are there', async () => {
    expect(await ask('batch_id', 'batches', 'id', 500)).toEqual({ values: 500, hitRate: 0.1 });
  });

  test('no values, or nothing to ask: no rate, and why', async () => {
    expect(await ask('note_id', 'notes')).toMatchObject({ values: 0, hitRate: null });
    expect((await ask('customer_id', 'customers', 'nothing'))?.reason).toMatch(/gone/);
  });
});

describe('postgres alone', () => {
  test('row security that would hide rows is no answer, instead of a wrong one', async () => {
    const database = await createTestDatabase(
      'legacy',
      `CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants SELECT generate_series(1, 50);
       CREATE TABLE orders (id int PRIMARY KEY, tenant_id int); INSERT INTO orders SELECT n, n FROM generate_series(1, 50) n;
       CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain SELECT generate_series(1, 50);
       CREATE TABLE odd (id int PRIMARY KEY, tenant_id text); INSERT INTO odd SELECT n, 'x' FROM generate_series(1, 50) n;
       ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
       CREATE POLICY few ON tenants USING (id < 3);`,
    );
    const pool = await SessionPool.open(database.target, { applicationName: 'test', readOnly: true });
    try {
      const found = await new PostgresReferenceProbe(pool).hitRates(
        [
          { child: 'public.orders', column: 'tenant_id', parent: 'public.tenants', parentColumn: 'id' },
          { child: 'public.odd', column: 'tenant_id', parent: 'public.plain', parentColumn: 'id' },
        ],
        { sampleValues: 100, timeoutMs: 5000 },
      );
      expect(found.map(({ hitRate }) => hitRate)).toEqual([null, null]);
      expect(found.map(({ reason }) => reason)).toEqual([
        expect.stringMatching(/row security/),
        expect.stringMatching(/type/),
      ]);
    } finally {
      await pool.close();
      await database.drop();
    }
  });

  test('analyze --check-data: what the data confirms weighs more, what it contradicts ties nothing', async () => {
    const database = await createTestDatabase('legacy', TABLES);
    try {
      await database.query(`INSERT INTO customers SELECT n FROM generate_series(1, 500) n`);
      await database.query(
        `INSERT INTO orders SELECT n, 1 + n % 500, 1 + n % 500, NULL, NULL FROM generate_series(1, 2000) n`,
      );
      const source = { kind: 'live', target: database.target } as const;
      const guessed = await analyze({ source });
      const checked = await analyze({ source, checkData: true });
      const reference = (result: typeof guessed, column: string) =>
        result.analysis.references.find(({ childColumns }) => childColumns.includes(column));
      expect(reference(guessed, 'customer_id')?.hitRate).toBeUndefined();
      expect(reference(checked, 'customer_id')?.hitRate).toBe(1);
      expect(reference(checked, 'customer_id')?.weight).toBeGreaterThan(
        reference(guessed, 'customer_id')?.weight ?? Infinity,
      );
      // No batch is there at all.
      expect(reference(guessed, 'batch_id')).toBeDefined();
      expect(reference(checked, 'batch_id')).toBeUndefined();
      const said = checked.analysis.findings.filter(({ code }) => code === 'BND123');
      expect(said.map(({ subject }) => subject)).toEqual(['public.orders.batch_id -> public.batches.id']);
      // Nothing to look up: it stays a guess.
      expect(reference(checked, 'note_id')).toBeDefined();
      const why = checked.analysis.placements.find(({ relation }) => relation === 'public.orders')?.why ?? [];
      expect(why.map(({ what }) => what)).toContain(
        'orders.customer_id -> customers (by its name, 100.0 % of its values are there)',
      );
    } finally {
      await database.drop();
    }
  });
});
