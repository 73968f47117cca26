/** One stream between two real databases, as the runner drives it. */
import { getEventListeners } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { Replicator } from '../../src/migration/replicator.js';
import type { RogueChange } from '../../src/migration/step-context.js';
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

test('H3: rows that move between chunks with a value that is not in the log end whole', async () => {
  open = await startReplication({
    schema: `CREATE TABLE t (id int PRIMARY KEY, big text NOT NULL, n int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL`,
    maps: async (legacy) => [await mapOf(legacy, 'public.t')],
  });
  const { legacy, context } = open;
  await legacy.query(`INSERT INTO t SELECT g, repeat(md5(g::text), 200), 0 FROM generate_series(1, 300) g`);
  await open.capture('forward');
  const forward = open.replicator('forward');
  await forward.start('spool');
  const [map] = context.maps;
  if (map === undefined) throw new Error('no map');
  const sink = await context.target.sink.open({
    stream: { service: 'orders', direction: 'forward' },
    owner: context.owner,
    maps: context.maps,
  });
  const chunks = await sink.recordChunks(map, await context.legacy.snapshot.planChunks(map, 100));
  expect(chunks.length).toBeGreaterThan(1);
  for (const [i, chunk] of chunks.entries()) {
    const format = await context.legacy.snapshot.chunkFormat(map, sink.formats);
    await sink.writeChunk(map, chunk, await context.legacy.snapshot.readChunk(map, chunk, format));
    // Out of what is unread into what was read, and the other way: one is in no chunk, the other in two.
    if (i === 0)
      await legacy.query(`UPDATE t SET id = -id WHERE id = 250; UPDATE t SET id = 2000 + id WHERE id = 5`);
  }
  await sink.close();
  await legacy.query(`UPDATE t SET n = n + 1 WHERE id IN (-250, 2005, 7)`);
  await forward.setMode('apply');
  await open.drain(forward);
  expect(forward.status().isConverged).toBe(true);
  await expectEqual(open, 'public.t');
});

test('both directions at once never echo: what dbps wrote itself is dropped, what others wrote is rogue', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE t (id int PRIMARY KEY, n int)',
    maps: async (legacy) => [await mapOf(legacy, 'public.t')],
  });
  await open.capture('forward');
  await open.capture('reverse');
  const [forward, reverse] = [open.replicator('forward'), open.replicator('reverse')];
  const rogue: RogueChange[] = [];
  reverse.onRogue((change) => rogue.push(change));
  await forward.start('apply');
  await reverse.start('watch');
  await open.legacy.query('INSERT INTO t SELECT g, 0 FROM generate_series(1, 500) g; UPDATE t SET n = 1');
  await open.drain(forward);
  await open.drain(reverse);
  expect(rogue).toEqual([]);
  await open.service.query('UPDATE t SET n = 9 WHERE id = 3; DELETE FROM t WHERE id = 4; TRUNCATE t');
  await open.drain(reverse);
  expect(rogue.map(({ relation, kind, key }) => [relation, kind, key])).toEqual([
    ['public.t', 'update', ['3']],
    ['public.t', 'delete', ['4']],
    ['public.t', 'truncate', null],
  ]);
  // The roles swap, as in a cutover: what the service writes now goes back.
  await reverse.stop();
  await forward.setMode('watch');
  await open.legacy.query(`BEGIN; UPDATE dbps.checkpoint SET mark = mark + 1; TRUNCATE t; COMMIT`);
  await reverse.start('apply');
  await open.service.query('INSERT INTO t VALUES (1, 1)');
  await open.drain(reverse);
  await open.drain(forward);
  await expectEqual(open, 'public.t');
});

test('a marker is seen within moments, an idle stream is confirmed without a change, a pause keeps receiving', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)',
    maps: async (legacy) => [await mapOf(legacy, 'public.t')],
  });
  await open.capture('forward');
  const forward = open.replicator('forward');
  await forward.start('apply');
  await open.drain(forward);
  await forward.pause();
  expect(forward.status().state).toBe('paused');
  await open.legacy.query('INSERT INTO t SELECT generate_series(1, 10)');
  const { changes } = open.context.legacy;
  const written = await changes.currentPosition();
  const stream = { service: 'orders', direction: 'forward' } as const;
  // Durable and confirmed although nothing is applied: a pause for DDL does not hold the log back.
  await open.legacy.query('INSERT INTO other SELECT generate_series(1, 50000)');
  await expect
    .poll(async () => changes.reached((await changes.status(stream))?.confirmed ?? '0/0', written), {
      timeout: 30_000,
    })
    .toBe(true);
  expect(await contentOf(open.service, 'public.t')).toEqual([]);
  forward.resume();
  await open.drain(forward);
  await expectEqual(open, 'public.t');
});

test('a refusal is thrown by start, told by status, and fails whoever waits for a marker', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE t (id int PRIMARY KEY)',
    maps: async (legacy) => [await mapOf(legacy, 'public.t')],
  });
  await open.capture('forward');
  const forward = open.replicator('forward');
  await forward.start('apply');
  await open.legacy.query('ALTER TABLE t ADD note text');
  const waiting = forward.waitForBarrier('never', Date.now() + 60_000);
  await open.legacy.query('INSERT INTO t VALUES (1)');
  await expect(waiting).rejects.toMatchObject({ code: 'DBPS_E354' });
  expect(forward.status()).toMatchObject({ state: 'failed', error: { code: 'DBPS_E354' } });
  await forward.stop();
  // H6: the service database came back from a backup of before.
  await open.service.query(`UPDATE dbps.checkpoint SET applied = '0/1', received = '0/1'`);
  await expect(open.replicator('forward').start('apply')).rejects.toMatchObject({ code: 'DBPS_E352' });
});

test('called off before it is started, or just as it is, it does not begin', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE orders (id int PRIMARY KEY)',
    maps: async (legacy) => [await mapOf(legacy, 'public.orders')],
  });
  await open.capture('forward');
  const called = new AbortController();
  const context = { ...open.context, signal: called.signal };
  const starting = new Replicator(context, 'forward');
  const started = expect(starting.start('apply')).rejects.toMatchObject({ code: 'DBPS_E501' });
  called.abort();
  await started;
  const late = new Replicator(context, 'forward');
  await expect(late.start('apply')).rejects.toMatchObject({ code: 'DBPS_E501' });
  expect([starting.status().state, late.status().state]).toEqual(['stopped', 'stopped']);
});

test('a stream hears the signal while it runs, and no longer: one signal outlives many streams', async () => {
  open = await startReplication({
    schema: 'CREATE TABLE orders (id int PRIMARY KEY)',
    maps: async (legacy) => [await mapOf(legacy, 'public.orders')],
  });
  await open.capture('forward');
  const { signal } = open.context;
  const before = getEventListeners(signal, 'abort').length;
  for (let time = 0; time < 3; time++) {
    const forward = open.replicator('forward');
    await forward.start('spool');
    expect(getEventListeners(signal, 'abort').length).toBeGreaterThan(before);
    await forward.stop();
    expect(getEventListeners(signal, 'abort')).toHaveLength(before);
  }
});
