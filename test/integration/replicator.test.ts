/** One stream between two real databases, as the runner drives it. */
import { afterEach, expect, test } from 'vitest';
import { contentOf, mapOf } from '../support/moving.js';
import { startReplication, type Replication } from '../support/replication.js';

let open: Replication | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

async function expectEqual(replication: Replication, ...relations: string[]): Promise<void> {
  for (const relation of relations)
    expect(await contentOf(replication.service, relation), relation).toEqual(
      await contentOf(replication.legacy, relation),
    );
}

test('writes to two tables reach the other side, in their transactions', async () => {
  open = await startReplication({
    schema: `CREATE TABLE orders (id int PRIMARY KEY, note text, at timestamptz DEFAULT now());
             CREATE TABLE lines (order_id int, n int, price numeric(10,2), PRIMARY KEY (order_id, n));`,
    maps: async (legacy) => [
      await mapOf(legacy, 'public.orders'),
      await mapOf(legacy, 'public.lines', ['order_id', 'n']),
    ],
  });
  await open.legacy.query(
    `INSERT INTO orders (id, note) SELECT g, 'old ' || g FROM generate_series(1, 250) g`,
  );
  await open.capture('forward');
  const forward = open.replicator('forward');
  await forward.start('spool');
  await open.legacy.query(`INSERT INTO lines SELECT g, 1, g / 3.0 FROM generate_series(1, 100) g`);
  await open.copy();
  await open.legacy.query(
    `UPDATE orders SET note = 'changed' WHERE id % 10 = 0; DELETE FROM orders WHERE id % 7 = 0`,
  );
  await forward.setMode('apply');
  await open.drain(forward);
  await expectEqual(open, 'public.orders', 'public.lines');
  await open.legacy.query(
    `INSERT INTO orders (id, note) VALUES (1000, NULL); UPDATE lines SET price = 1 WHERE n = 1`,
  );
  await open.drain(forward);
  await expectEqual(open, 'public.orders', 'public.lines');
  expect(forward.status()).toMatchObject({ state: 'running', mode: 'apply', isConverged: true, error: null });
});

test('a sink opened beside the stream leaves alone what the stream is receiving', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE orders (id int PRIMARY KEY, note text)',
    maps: async (legacy) => [await mapOf(legacy, 'public.orders')],
  });
  await open.capture('forward');
  const { target, maps, owner } = open.context;
  const options = { stream: { service: owner.service, direction: 'forward' }, owner, maps } as const;
  const streaming = await target.sink.open(options);
  const piece = (id: number, last: boolean) => ({
    commit: 'FF/10',
    end: 'FF/20',
    committedAtMs: 0,
    isOwn: false,
    changes: [{ kind: 'insert', map: maps[0]!, values: [String(id), 'x'] } as const],
    barriers: [],
    last,
    bytes: 1,
  });
  await streaming.spool([piece(1, false)], 'FF/20');
  // The copy, and verifications, open one of their own meanwhile.
  await (await target.sink.open(options)).close();
  await streaming.spool([piece(2, true)], 'FF/20');
  const kept: unknown[] = [];
  for await (const { transactions } of streaming.readSpool())
    for (const { changes } of transactions)
      kept.push(...changes.map((c) => c.kind === 'insert' && c.values[0]));
  await streaming.close();
  expect(kept).toEqual(['1', '2']);
});

test('messages that wait are not written over by those that come after them', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE orders (id int PRIMARY KEY, note text)',
    maps: async (legacy) => [await mapOf(legacy, 'public.orders')],
  });
  await open.capture('forward');
  // One transaction of many socket reads, cut anywhere: the driver completes cut messages in a buffer that it uses again.
  await open.legacy.query(
    `INSERT INTO orders SELECT g, repeat(md5(g::text), 1 + (g * 7919) % 120) FROM generate_series(1, 8000) g`,
  );
  const forward = open.replicator('forward');
  await forward.start('apply');
  await open.drain(forward);
  await expectEqual(open, 'public.orders');
});
