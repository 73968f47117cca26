/**
 * A random workload of several writers against a stream that is killed again and again: between batches, in the middle of one, with its
 * connections cut. In the end both sides hold the same rows.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type mysql from 'mysql2/promise';
import { startMysqlServer, type MysqlTestServer } from '../support/mariadb.js';
import { mysqlContentOf } from '../support/mysql-copying.js';
import { mysqlMapOf } from '../support/mysql-moving.js';
import { startMysqlReplication, type MysqlReplication } from '../support/mysql-replication.js';

const SCHEMA = `
  CREATE TABLE docs (id int PRIMARY KEY, big longtext, n decimal(40,10), f float, d double, b varbinary(90), at timestamp(6) NULL ON UPDATE CURRENT_TIMESTAMP(6), e enum('a','b, c'), g geometry, bits bit(9));
  CREATE TABLE seats (room varchar(9), n int, guest varchar(40), PRIMARY KEY (room, n));
  CREATE TABLE names (id varchar(20) CHARACTER SET latin1 PRIMARY KEY, v int);`;
const UNIQUE = 'ALTER TABLE seats ADD UNIQUE (guest)';
const RELATIONS = ['docs', 'seats', 'names'] as const;

/** A generator that gives the same numbers for the same seed. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** One transaction of one to four statements. */
function statements(roll: (below: number) => number): string[] {
  const id = () => roll(120);
  const name = () => `${roll(2) === 0 ? 'É' : 'e'}${roll(2) === 0 ? 'x' : 'X'}${roll(30)}`;
  const all: (() => string)[] = [
    () =>
      `INSERT IGNORE INTO docs VALUES (${id()}, REPEAT(SHA1('${roll(1e6)}'), ${roll(200)}), ${roll(99)}.5, ${roll(9)}.1, ${roll(9)}e-7, x'00ff5c${10 + roll(80)}0a', NOW(6), ${1 + roll(2)}, POINT(${roll(9)}, 1), ${roll(511)})`,
    () => `UPDATE docs SET n = n + 0.1, f = f * 1.1 WHERE id % 7 = ${roll(7)}`,
    () => `UPDATE docs SET big = REPEAT(SHA1('${roll(1e6)}'), ${roll(300)}), b = NULL WHERE id = ${id()}`,
    () => `UPDATE IGNORE docs SET id = id + 200 WHERE id = ${id()}`,
    () => `UPDATE IGNORE docs SET id = id - 200 WHERE id = ${200 + id()}`,
    () => `DELETE FROM docs WHERE id = ${id()}`,
    () => `INSERT IGNORE INTO seats VALUES ('r${roll(3)}', ${roll(20)}, 'g${roll(500)}')`,
    () => `UPDATE IGNORE seats SET n = n + 100 WHERE room = 'r${roll(3)}' AND n = ${roll(20)}`,
    () => `DELETE FROM seats WHERE n = ${roll(120)}`,
    () => `REPLACE INTO names VALUES ('${name()}', ${roll(99)})`,
    () => `UPDATE IGNORE names SET id = '${name()}' WHERE id = '${name()}'`,
    () => `DELETE FROM names WHERE id = '${name()}'`,
  ];
  if (roll(60) === 0) return [`TRUNCATE ${['docs', 'names'][roll(2)]}`];
  if (roll(12) === 0)
    // A swap of unique values, which has no merged form once the key is there.
    return [
      `UPDATE seats SET guest = 'swap-${roll(1e9)}' WHERE room = 'r0' AND n = ${roll(40)}`,
      `UPDATE seats SET guest = 'other-${roll(1e9)}' WHERE room = 'r0' AND n = ${roll(40)}`,
    ];
  return Array.from({ length: 1 + roll(4) }, () => (all[roll(all.length)] as () => string)());
}

async function writeAtRandom(client: mysql.Connection, seed: number, isOver: () => boolean): Promise<number> {
  const roll = dice(seed);
  let committed = 0;
  while (!isOver()) {
    await client.query('START TRANSACTION');
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

let server: MysqlTestServer;
let open: MysqlReplication | null = null;
let isOver = false;
beforeAll(async () => {
  server = await startMysqlServer();
});
afterAll(async () => {
  await server.stop();
});
afterEach(async () => {
  isOver = true;
  await open?.close();
  open = null;
});

test.for([21, 22])(
  'copy, replay and apply under writes and kills end equal (seed %i)',
  { timeout: 180_000 },
  async (seed) => {
    open = await startMysqlReplication(
      server,
      // Only the key until convergence (H11).
      { legacy: SCHEMA + UNIQUE, service: SCHEMA },
      async (legacy, service) => [
        await mysqlMapOf(legacy, service, 'docs'),
        await mysqlMapOf(legacy, service, 'seats', ['room', 'n']),
        await mysqlMapOf(legacy, service, 'names'),
      ],
    );
    const replication = open;
    const roll = dice(seed);
    const clients = await Promise.all([0, 1, 2].map(() => replication.legacy.connect()));
    isOver = false;
    const writers = clients.map((client, i) => writeAtRandom(client, seed * 100 + i, () => isOver));
    const forSomeTime = () => new Promise((resolve) => setTimeout(resolve, 30 + roll(200)));
    await forSomeTime();

    await replication.capture();
    let forward = replication.replicator();
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
      } else if (how < 3) {
        const sessions = await server.query(
          how === 1
            ? "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
            : "SELECT id FROM information_schema.processlist WHERE info LIKE '%dbps.checkpoint%' AND info NOT LIKE '%processlist%'",
        );
        for (const { id } of sessions) await server.query(`KILL ${String(id)}`).catch(() => undefined);
      }
      await forSomeTime();
      await forward.stop();
      replication.at.hook = async () => undefined;
      forward = replication.replicator();
      await forward.start(mode);
    };
    await kill('spool');
    await replication.copy(40, roll(2) === 0 ? 'rows' : 'mysql-load');
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
      expect(await mysqlContentOf(replication.service, relation), relation).toEqual(
        await mysqlContentOf(replication.legacy, relation),
      );
    expect(forward.status()).toMatchObject({ state: 'running', isConverged: true, error: null });
  },
);
