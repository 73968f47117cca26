/** What every capture keeps, from a log or by triggers: every committed change once, whole, in order, from wherever it goes on. */
import { expect, test } from 'vitest';
import type {
  ChangeStream,
  ChangeTransaction,
  Control,
  PreparedCapture,
  RelationMap,
} from '../../../src/engines/engine.js';
import { changesOf, idsOf, readAll } from '../../support/reading-changes.js';
import { OWNER } from '../../support/moving.js';

/** One engine's database with dbps's control tables, and one capture over it. Statements are of the dialect that all engines share. */
export interface CaptureWorld {
  readonly control: Control;
  query(sql: string): Promise<unknown>;
  /** Another session; one statement a call. */
  connect(): Promise<{ query(sql: string): Promise<unknown> }>;
  map(table: string, key?: readonly string[]): Promise<RelationMap>;
  prepare(maps: readonly RelationMap[]): Promise<PreparedCapture>;
  /** @param from a position that was handed out; the start of capture otherwise. Closed when the test is over. */
  stream(maps: readonly RelationMap[], capture: PreparedCapture, from?: string): Promise<ChangeStream>;
}

export function captureSuite(open: (schema: string) => Promise<CaptureWorld>): void {
  test('changes name the key, and the old one where it changed', async () => {
    const world = await open(`
      CREATE TABLE plain (id int PRIMARY KEY, note varchar(20), n int);
      CREATE TABLE composed (a varchar(20) NOT NULL, b int NOT NULL, c int, PRIMARY KEY (a, b));`);
    const maps = [await world.map('plain'), await world.map('composed', ['b', 'a'])];
    const [plain, composed] = maps;
    const capture = await world.prepare(maps);
    expect(capture.created).toBe(true);
    expect((await world.prepare(maps)).created).toBe(false);
    const stream = await world.stream(maps, capture);
    await world.query(`
      INSERT INTO plain VALUES (1, NULL, 1), (7, '', NULL); UPDATE plain SET n = 2 WHERE id = 1; UPDATE plain SET id = 2 WHERE id = 1;
      DELETE FROM plain WHERE id = 2; INSERT INTO composed VALUES ('k,''-{"', 7, NULL); UPDATE composed SET c = 1;
      UPDATE composed SET a = ''; DELETE FROM composed`);
    expect(changesOf(await readAll(world, stream))).toEqual([
      { kind: 'insert', map: plain, values: ['1', null, '1'] },
      { kind: 'insert', map: plain, values: ['7', '', null] },
      { kind: 'update', map: plain, values: ['1', null, '2'], oldKey: null },
      { kind: 'update', map: plain, values: ['2', null, '2'], oldKey: ['1'] },
      { kind: 'delete', map: plain, key: ['2'] },
      { kind: 'insert', map: composed, values: ['k,\'-{"', '7', null] },
      { kind: 'update', map: composed, values: ['k,\'-{"', '7', '1'], oldKey: null },
      { kind: 'update', map: composed, values: ['', '7', '1'], oldKey: ['7', 'k,\'-{"'] },
      { kind: 'delete', map: composed, key: ['7', ''] },
    ]);
  });

  test('a transaction that commits late is not skipped, and is handed out whole', async () => {
    const world = await open('CREATE TABLE t (id int PRIMARY KEY)');
    const maps = [await world.map('t')];
    const capture = await world.prepare(maps);
    const stream = await world.stream(maps, capture);
    const [late, never] = [await world.connect(), await world.connect()];
    await late.query('BEGIN');
    await late.query('INSERT INTO t VALUES (1)');
    await never.query('BEGIN');
    await never.query('INSERT INTO t VALUES (2)');
    await world.query('INSERT INTO t VALUES (3)');
    await late.query('SAVEPOINT s');
    await late.query('INSERT INTO t VALUES (4)');
    expect(idsOf(changesOf(await readAll(world, stream)))).toEqual([3]);
    await never.query('ROLLBACK');
    await world.query('INSERT INTO t VALUES (5)');
    const seen = await readAll(world, stream);
    expect(idsOf(changesOf(seen))).toEqual([5]);
    await late.query('COMMIT');
    const whole = (await readAll(world, stream)).filter(({ changes }) => changes.length > 0);
    expect(whole.map(({ changes }) => idsOf(changes))).toEqual([[1, 4]]);
    // From where it stood before, the same again and nothing else: neither less nor more.
    await stream.close();
    const again = await world.stream(maps, capture, seen.at(-1)?.end);
    expect(idsOf(changesOf(await readAll(world, again)))).toEqual([1, 4]);
  });

  test('many writers whose transactions overlap and roll back: every committed change once, each row in order', async () => {
    const world = await open('CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)');
    const maps = [await world.map('t')];
    const capture = await world.prepare(maps);
    let stream = await world.stream(maps, capture);
    await world.query(`INSERT INTO t VALUES ${Array.from({ length: 20 }, (_, i) => `(${i + 1}, 0)`).join()}`);
    const writers = Array.from({ length: 6 }, async (_, w) => {
      const session = await world.connect();
      for (let i = 0; i < 60; i++) {
        const ids = [1 + ((i * 7 + w) % 20), 1 + ((i * 3 + w * 5) % 20)].toSorted((a, b) => a - b);
        await session.query('BEGIN');
        for (const id of ids) await session.query(`UPDATE t SET n = n + 1 WHERE id = ${id}`);
        await session.query(i % 5 === 4 ? 'ROLLBACK' : 'COMMIT');
      }
    });
    const rows = new Map<string, number>();
    let updates = 0;
    const take = (transactions: readonly ChangeTransaction[]) => {
      for (const change of changesOf(transactions)) {
        if (change.kind === 'insert') rows.set(String(change.values[0]), Number(change.values[1]));
        if (change.kind !== 'update') continue;
        updates++;
        const [id, n] = [String(change.values[0]), Number(change.values[1])];
        // Exactly the next value: none lost, none twice, none out of order.
        expect(n).toBe((rows.get(id) ?? NaN) + 1);
        rows.set(id, n);
      }
    };
    let isDone = false;
    const done = Promise.all(writers).then(() => (isDone = true));
    while (!isDone) {
      const transactions = await readAll(world, stream);
      take(transactions);
      // Goes on from the checkpoint, as after a crash.
      await stream.close();
      stream = await world.stream(maps, capture, transactions.at(-1)?.end);
    }
    await done;
    take(await readAll(world, stream));
    expect(updates).toBe(6 * 48 * 2);
  });

  test('H18: markers of every service travel in one table; each stream hands out its own', async () => {
    const world = await open('CREATE TABLE t (id int PRIMARY KEY)');
    const maps = [await world.map('t')];
    const stream = await world.stream(maps, await world.prepare(maps));
    // The same nonce for another service proves nothing about this one.
    await world.query(`INSERT INTO dbps.barrier (service, nonce) VALUES ('other', 'one'), ('other', 'two')`);
    await world.query('INSERT INTO t VALUES (1)');
    await world.query(
      `INSERT INTO dbps.barrier (service, nonce) VALUES ('other', 'three'), ('${OWNER.service}', 'one')`,
    );
    const transactions = await readAll(world, stream);
    expect(idsOf(changesOf(transactions))).toEqual([1]);
    const markers = transactions.flatMap(({ barriers }) => barriers);
    expect(markers.filter((marker) => !marker.startsWith('end-'))).toEqual(['one']);
    expect(markers).toHaveLength(2);
  });
}
