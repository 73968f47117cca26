/**
 * A random workload of several writers against a stream that is killed again and again: between batches, in the middle of one, with its
 * connections cut. In the end both sides hold the same rows.
 */
import { afterEach, expect, test } from 'vitest';
import type pg from 'pg';
import { contentOf, mapOf } from '../support/moving.js';
import { startReplication, type Replication } from '../support/replication.js';

const SCHEMA = `
  CREATE TABLE docs (id int PRIMARY KEY, big text, n numeric, f float8, j jsonb, tags text[], b bytea, at timestamptz);
  ALTER TABLE docs ALTER big SET STORAGE EXTERNAL;
  CREATE TABLE seats (room text, n int, guest text, PRIMARY KEY (room, n));
  CREATE TABLE parts (id int, year int, note text, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
  CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
  CREATE TABLE parts_3 PARTITION OF parts DEFAULT;
  CREATE TABLE whole (id int PRIMARY KEY, big text, n int); ALTER TABLE whole REPLICA IDENTITY FULL;
  ALTER TABLE whole ALTER big SET STORAGE EXTERNAL;`;
const UNIQUE = 'ALTER TABLE seats ADD UNIQUE (guest)';
const RELATIONS = ['public.docs', 'public.seats', 'public.parts', 'public.whole'] as const;

/** A generator that gives the same numbers for the same seed. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ODD = ['NaN', '-1e300', '0.10', '1.100', '123456789012345678901234567890.5'];
const TEXTS = [`E'tab\\there "q" \\\\ '''`, `'☃ ünï'`, `'NULL'`, `''`, 'NULL', `'{a,b}'`];
const big = (roll: (below: number) => number) => `repeat(md5('${roll(1e6)}'), 300)`;

/** One transaction of one to four statements. */
function statements(roll: (below: number) => number): string[] {
  const id = () => roll(120);
  const all: (() => string)[] = [
    () => `INSERT INTO docs VALUES (${id()}, ${roll(2) ? big(roll) : 'NULL'}, '${ODD[roll(5)]}', ${roll(2) ? "'-Infinity'" : roll(9)},
        '{"a": ${roll(99)}}', ARRAY['x', NULL, '${roll(9)}'], '\\x00ff${10 + roll(80)}', now()) ON CONFLICT DO NOTHING`,
    () => `UPDATE docs SET n = '${ODD[roll(5)]}', j = j || '{"b": ${roll(99)}}' WHERE id % 7 = ${roll(7)}`,
    () => `UPDATE docs SET big = ${big(roll)} WHERE id = ${id()}`,
    () =>
      `UPDATE docs SET id = id + 200 WHERE id = ${id()} AND NOT EXISTS (SELECT FROM docs d WHERE d.id = docs.id + 200)`,
    () =>
      `UPDATE docs SET id = id - 200 WHERE id = ${200 + id()} AND NOT EXISTS (SELECT FROM docs d WHERE d.id = docs.id - 200)`,
    () => `DELETE FROM docs WHERE id = ${id()}`,
    () => `INSERT INTO seats VALUES ('r${roll(3)}', ${roll(20)}, 'g${roll(500)}') ON CONFLICT DO NOTHING`,
    () =>
      `UPDATE seats SET n = n + 100 WHERE room = 'r${roll(3)}' AND n = ${roll(20)} AND NOT EXISTS (SELECT FROM seats s WHERE s.room = seats.room AND s.n = seats.n + 100)`,
    () => `DELETE FROM seats WHERE n = ${roll(120)}`,
    () => `INSERT INTO parts VALUES (${id()}, ${roll(4)}, ${TEXTS[roll(6)]}) ON CONFLICT DO NOTHING`,
    () =>
      `UPDATE parts SET year = ${roll(4)} WHERE id = ${id()} AND NOT EXISTS (SELECT FROM parts p WHERE p.id = parts.id AND p.year <> parts.year)`,
    () => `UPDATE parts SET note = ${TEXTS[roll(6)]} WHERE id % 5 = ${roll(5)}`,
    () =>
      `INSERT INTO whole VALUES (${id()}, ${big(roll)}, ${roll(9)}) ON CONFLICT (id) DO UPDATE SET n = excluded.n`,
    () =>
      `UPDATE whole SET id = id + 500 WHERE id = ${id()} AND NOT EXISTS (SELECT FROM whole w WHERE w.id = whole.id + 500)`,
    () => `DELETE FROM whole WHERE id % 50 = ${roll(50)}`,
  ];
  const rare = [`TRUNCATE parts_${1 + roll(3)}`, 'TRUNCATE whole', 'TRUNCATE docs'];
  if (roll(60) === 0) return [rare[roll(3)] as string];
  if (roll(12) === 0) {
    // A swap of unique values, which has no merged form once the key is there.
    const [a, b] = [roll(40), roll(40)];
    return [
      `UPDATE seats SET guest = 'swap-${roll(1e9)}' WHERE (room, n) = ('r0', ${a})`,
      `UPDATE seats SET guest = 'other-${roll(1e9)}' WHERE (room, n) = ('r0', ${b})`,
    ];
  }
  return Array.from({ length: 1 + roll(4) }, () => (all[roll(all.length)] as () => string)());
}

/** Lines with long runs cut out, so that a difference can be read. */
async function shortContent(database: Parameters<typeof contentOf>[0], relation: string): Promise<string[]> {
  return (await contentOf(database, relation)).map((line) =>
    line.replace(/([0-9a-f]{8})[0-9a-f]{9000,}/, '$1…'),
  );
}

async function writeAtRandom(client: pg.Client, seed: number, isOver: () => boolean): Promise<number> {
  const roll = dice(seed);
  let committed = 0;
  while (!isOver()) {
    await client.query('BEGIN');
    try {
      for (const sql of statements(roll)) await client.query(sql);
      await client.query(roll(10) === 0 ? 'ROLLBACK' : 'COMMIT');
      committed++;
    } catch {
      // Two writers met: a deadlock or a duplicate is theirs to lose.
      await client.query('ROLLBACK');
    }
    // Faster than one core applies, the backlog would only grow.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return committed;
}

let open: Replication | null = null;
let isOver = false;
afterEach(async () => {
  isOver = true;
  await open?.close();
  open = null;
});

test.for([11, 12])(
  'copy, replay and apply under writes and kills end equal (seed %i)',
  { timeout: 180_000 },
  async (seed) => {
    open = await startReplication({
      schema: SCHEMA,
      maps: async (legacy) => [
        await mapOf(legacy, 'public.docs'),
        await mapOf(legacy, 'public.seats', ['room', 'n']),
        await mapOf(legacy, 'public.parts', ['id', 'year']),
        await mapOf(legacy, 'public.whole'),
      ],
    });
    const replication = open;
    const roll = dice(seed);
    // Only the key until convergence (H11).
    await replication.legacy.query(UNIQUE);
    const clients = await Promise.all([0, 1, 2].map(() => replication.legacy.connect()));
    isOver = false;
    const writers = clients.map((client, i) => writeAtRandom(client, seed * 100 + i, () => isOver));
    const forSomeTime = () => new Promise((resolve) => setTimeout(resolve, 30 + roll(200)));
    await forSomeTime();

    await replication.capture('forward');
    let forward = replication.replicator('forward');
    await forward.start('spool');
    // A kill: everything that was under way is thrown away, and another begins from what is durable.
    const kill = async (mode: 'spool' | 'apply') => {
      const how = roll(4);
      if (how === 0) {
        replication.at.hook = async () => {
          replication.at.hook = async () => undefined;
          throw new Error('killed here');
        };
        await forSomeTime();
      } else if (how === 1) {
        await replication.legacy.query(
          `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND database = current_database()`,
        );
      } else if (how === 2) {
        await replication.service.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%apply' AND datname = current_database()`,
        );
      }
      await forSomeTime();
      await forward.stop();
      replication.at.hook = async () => undefined;
      forward = replication.replicator('forward');
      await forward.start(mode);
    };
    await kill('spool');
    await replication.copy(40);
    await kill('spool');
    for (let i = 0; i < 4; i++) await kill('apply');
    await expect
      .poll(() => forward.status(), { timeout: 30_000 })
      .toMatchObject({ isConverged: true, error: null });
    await forward.pause();
    await replication.service.query(UNIQUE);
    forward.resume();
    for (let i = 0; i < 4; i++) {
      await forSomeTime();
      await kill('apply');
    }
    isOver = true;
    const committed = await Promise.all(writers);
    await replication.drain(forward);
    expect(Math.min(...committed)).toBeGreaterThan(20);
    for (const relation of RELATIONS)
      expect(await shortContent(replication.service, relation), relation).toEqual(
        await shortContent(replication.legacy, relation),
      );
    expect(forward.status()).toMatchObject({ state: 'running', isConverged: true, error: null });
  },
);
