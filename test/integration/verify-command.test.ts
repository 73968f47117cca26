/** `dbps verify` as a use case: read-only sessions beside a live stream. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { verify } from '../../src/app/verify.js';
import type { Config } from '../../src/config/config.js';
import { postgresEngine } from '../../src/engines/postgres/postgres-engine.js';
import { makePlan } from '../../src/planning/make-plan.js';
import { relationMaps } from '../../src/planning/relation-maps.js';
import type { Plan } from '../../src/model/plan.js';
import { startReplication, type Replication } from '../support/replication.js';

let open: Replication | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

const SCHEMA = `CREATE TABLE orders (id int PRIMARY KEY, note text);
  CREATE TABLE lines (order_id int REFERENCES orders, n int, price numeric(10,2), PRIMARY KEY (order_id, n));`;

test('full and changed beside a running stream; repair SQL for what is really different', async () => {
  let plan!: Plan;
  open = await startReplication({
    schema: SCHEMA,
    serviceSchema: SCHEMA.replace('REFERENCES orders', ''),
    maps: async (legacy) => {
      const reader = await postgresEngine.openReadOnly(legacy.target, { applicationName: 'dbps test' });
      const schema = await reader.introspector.read({ schemas: ['public'] });
      await reader.close();
      const location = { file: 'dbps.yaml', line: 1, column: 1 };
      plan = makePlan(
        schema,
        {
          defaultSchema: 'public',
          exclude: [],
          services: [
            {
              name: 'orders',
              location,
              relations: ['public.orders', 'public.lines'].map((id) => ({ id, location })),
              targetEngine: 'postgres',
              targetSchema: null,
            },
          ],
          shared: [],
          references: [],
        } as unknown as Parameters<typeof makePlan>[1],
        '2026-01-01T00:00:00Z',
      );
      return relationMaps(plan, plan.services[0]!);
    },
  });
  const { legacy, service } = open;
  await legacy.query(
    `INSERT INTO orders SELECT g, 'n' FROM generate_series(1, 500) g; INSERT INTO lines SELECT g, 1, 1 FROM generate_series(1, 500) g`,
  );
  await open.capture('forward');
  const forward = open.replicator('forward');
  await forward.start('spool');
  await open.copy();
  await forward.setMode('apply');
  await open.drain(forward);
  await legacy.query("UPDATE orders SET note = 'changed' WHERE id <= 10");
  await open.drain(forward);

  const config = {
    source: { target: () => legacy.target },
    services: [{ name: 'orders', target: { target: () => service.target } }],
    migration: { chunkRows: 100, jobs: 2 },
  } as unknown as Config;
  const run = (mode: 'full' | 'changed' | 'counts', more: object = {}) =>
    verify(config, { plan, mode, now: () => Date.now(), catchUpTimeoutMs: 30_000, ...more });

  const changed = await run('changed');
  expect(changed.services[0]?.relations.map((r) => [r.relation, r.rows, r.differing])).toEqual([
    ['public.lines', 0, 0],
    ['public.orders', 10, 0],
  ]);
  expect(changed.isEqual).toBe(true);

  // Somebody always writes: that is what moves the position which a read-only session waits for.
  let isWriting = true;
  const writing = (async () => {
    for (let n = 0; isWriting; n++) {
      await legacy.query(`INSERT INTO orders VALUES (${10_000 + n}, 'new')`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();

  // Behind the applier's back, as a hole in the protocol would: a lost row, and one that never was in legacy.
  await service.query('DELETE FROM orders WHERE id = 7; INSERT INTO lines VALUES (1, 99, 9.99)');
  await legacy.query("UPDATE orders SET note = 'late' WHERE id = 400");
  const full = await run('full', { repair: true });
  const [result] = full.services;
  expect(result?.relations.map((r) => [r.relation, r.differing])).toEqual([
    ['public.lines', 1],
    ['public.orders', 1],
  ]);
  expect(result?.orphans).toMatchObject([{ child: 'public.lines', parent: 'public.orders', count: 1 }]);
  expect(result?.shape.outcome).toBe('equal');
  expect(full.repairSql).toContain('DELETE FROM "public"."lines"');

  // A sample compares whole ranges of the key, and says which share of them.
  const sampled = await run('full', { sample: { rows: 100, random: () => 0.999 } });
  const [part] = sampled.services;
  expect(part?.relations.map((r) => [r.relation, r.chunks])).toEqual([
    ['public.lines', 1],
    ['public.orders', 1],
  ]);
  expect(part?.notCompared).toContainEqual({
    subject: 'public.orders',
    reason: expect.stringMatching(/^a sample: 1 of its \d+ ranges/) as string,
  });
  // The first ranges hold both planted differences: the row of orders, and the one of lines.
  expect(part?.relations.map((r) => r.differing)).toEqual([1, 1]);

  // What was found is on record, and can be looked at alone.
  const records = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-verify-'));
  try {
    await expect(run('full', { records, recheck: true })).rejects.toMatchObject({ code: 'DBPS_E114' });
    await run('full', { records });
    const again = await run('full', { records, recheck: true });
    expect(again.services[0]?.relations.map((r) => [r.relation, r.rows, r.differing])).toEqual([
      ['public.lines', 1, 1],
      ['public.orders', 1, 1],
    ]);
    expect(again.services[0]?.notCompared).toContainEqual({
      subject: 'all other rows',
      reason: 'only rows that the last verification found different are looked at again',
    });
    await service.query("INSERT INTO orders VALUES (7, 'changed')");
    expect((await run('full', { records, recheck: true })).isEqual).toBe(false);
    const left = await run('full', { records, recheck: true });
    expect(left.services[0]?.relations.map((r) => r.relation)).toEqual(['public.lines']);
    await service.query('DELETE FROM orders WHERE id = 7; DELETE FROM lines WHERE n = 99');
    expect((await run('full', { records, recheck: true })).isEqual).toBe(true);
    expect(fs.readdirSync(records)).toEqual([]);
    await service.query('INSERT INTO lines VALUES (1, 99, 9.99)');
  } finally {
    fs.rmSync(records, { recursive: true });
  }
  expect((await run('changed')).isEqual).toBe(false);
  await service.query(full.repairSql!);
  expect((await run('full')).isEqual).toBe(true);
  isWriting = false;
  await writing;
  await open.drain(forward);
  expect((await run('counts', { only: ['orders'] })).services[0]?.relations).toMatchObject([
    { relation: 'public.orders', differing: 0 },
  ]);
  await expect(run('full', { only: ['nowhere'] })).rejects.toMatchObject({ code: 'DBPS_E103' });
  await expect(run('full', { services: ['other'] })).rejects.toMatchObject({ code: 'DBPS_E103' });

  // Nobody applies any more: what differs may be lag, and is called neither.
  await forward.stop();
  await legacy.query("UPDATE orders SET note = 'not yet there' WHERE id = 3");
  await expect(run('full', { catchUpTimeoutMs: 300 })).rejects.toMatchObject({ code: 'DBPS_E540' });
});
