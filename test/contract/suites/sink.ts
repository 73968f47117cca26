/** What every engine keeps of changes that it is given: order, collisions, marks, sets of keys, exactly once. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  UNCHANGED,
  type Change,
  type ChangeSource,
  type Control,
  type Ownership,
  type RelationMap,
  type Sink,
} from '../../../src/engines/engine.js';
import { insert, log, rekey, remove, truncate, update } from '../../support/changes.js';
import { OWNER } from '../../support/moving.js';

export const STREAM = { service: OWNER.service, direction: 'forward' } as const;

/** One engine's empty database with dbps's control tables. Statements are of the dialect that all engines share. */
export interface SinkWorld {
  query(sql: string): Promise<unknown>;
  /** Rows as `a,b,c`, in order of their text. */
  lines(table: string): Promise<readonly string[]>;
  /** Of a table onto itself; its key is `id`. */
  mapOf(table: string): Promise<RelationMap>;
  /** Not begun; closed when the test is over. */
  openSink(maps: readonly RelationMap[], owner: Ownership): Promise<Sink>;
  readonly control: Control;
  readonly changes: ChangeSource;
}

export interface SinkTraits {
  readonly position: (n: number) => string;
  readonly identity: Readonly<Record<string, string>>;
}

/** The test's own sinks and transactions, one after the other. */
export function sinkTools(world: () => Pick<SinkWorld, 'openSink'>, traits: SinkTraits) {
  let written = log(traits.position);
  beforeEach(() => {
    written = log(traits.position);
  });
  return {
    start: () => written.start,
    transaction: (changes: readonly Change[], isComplete?: boolean) =>
      written.transaction(changes, isComplete),
    later: (by?: number) => written.later(by),
    openSink: async (maps: readonly RelationMap[], owner: Ownership = OWNER) => {
      const sink = await world().openSink(maps, owner);
      await sink.begin({ start: written.start, identity: traits.identity, created: true });
      return sink;
    },
    apply: (sink: Sink, changes: readonly Change[], isConverged = true) => {
      const only = written.transaction(changes);
      return sink.apply({ transactions: [only], end: only.end, isConverged });
    },
  };
}

export function sinkSuite(world: () => SinkWorld, traits: SinkTraits): void {
  const { start, transaction, later, openSink, apply } = sinkTools(world, traits);
  const lines = (table: string) => world().lines(table);
  const query = (sql: string) => world().query(sql);
  const mapOf = (table: string) => world().mapOf(table);
  const uniqueMapOf = async (table: string) => ({ ...(await mapOf(table)), hasOtherUniqueness: true });

  test('H11: swaps and chains of unique values are applied in source order when their net form collides', async () => {
    await query(
      `CREATE TABLE t (id int PRIMARY KEY, u varchar(9) UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
    );
    const map = await uniqueMapOf('t');
    const sink = await openSink([map]);
    const swap = await apply(sink, [update(map, '1', 'tmp'), update(map, '2', 'a'), update(map, '1', 'b')]);
    expect(swap.wasUnmerged).toBe(true);
    expect(await lines('t')).toEqual(['1,b', '2,a']);
    await apply(sink, [
      update(map, '1', 'c'),
      insert(map, '3', 'b'),
      remove(map, '2'),
      insert(map, '4', 'a'),
    ]);
    expect(await lines('t')).toEqual(['1,c', '3,b', '4,a']);
  });

  describe('a row is never written over another that holds one of its unique values', () => {
    test.each([
      ['the primary key identifies', 'id int PRIMARY KEY, u varchar(9) UNIQUE, v int'],
      [
        'another unique key identifies',
        'id int NOT NULL, u varchar(9) NOT NULL PRIMARY KEY, v int, UNIQUE (id)',
      ],
      [
        'no primary key, the other unique key is older',
        'id int NOT NULL, u varchar(9) NOT NULL, v int, UNIQUE (u), UNIQUE (id)',
      ],
    ])('%s', async (_, columns) => {
      await query(`CREATE TABLE t (${columns}); INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0)`);
      const map = await uniqueMapOf('t');
      const sink = await openSink([map]);
      for (const isConverged of [true, false]) {
        await expect(apply(sink, [insert(map, '3', 'a', '9')], isConverged)).rejects.toThrow(/duplicate/i);
        await expect(apply(sink, [update(map, '2', 'a', '9')], isConverged)).rejects.toThrow(/duplicate/i);
        expect(await lines('t')).toEqual(['1,a,0', '2,b,0']);
      }
      await apply(sink, [update(map, '2', 'b', '5')]);
      expect(await lines('t')).toEqual(['1,a,0', '2,b,5']);
    });

    // The other unique keys are made once both sides have converged, under a sink that has applied already and goes on.
    test('nor over one whose unique key was made while the sink stood', async () => {
      await query(
        `CREATE TABLE t (id int PRIMARY KEY, u varchar(9), v int); INSERT INTO t VALUES (1, 'a', 0)`,
      );
      const map = await uniqueMapOf('t');
      const sink = await openSink([map]);
      await apply(sink, [insert(map, '2', 'b', '0')], false);
      await apply(sink, [insert(map, '4', 'd', '0')]);
      await query('ALTER TABLE t ADD CONSTRAINT u UNIQUE (u)');

      await expect(apply(sink, [insert(map, '3', 'a', '9')])).rejects.toThrow(/duplicate/i);
      expect(await lines('t')).toEqual(['1,a,0', '2,b,0', '4,d,0']);
      await apply(sink, [update(map, '1', 't', '1'), update(map, '2', 'a', '1'), update(map, '1', 'b', '1')]);
      await apply(sink, [insert(map, '3', 't', '2'), update(map, '4', 'e', '2'), update(map, '3', 'd', '3')]);
      await apply(sink, [update(map, '3', 'f', '4')]);
      await apply(sink, [remove(map, '4'), insert(map, '4', 'd', '5')]);
      expect(await lines('t')).toEqual(['1,b,1', '2,a,1', '3,f,4', '4,d,5']);
    });
  });

  test('H3: unchanged out-of-line values stay; until convergence a row that is not there is put into the heal set', async () => {
    await query(
      `CREATE TABLE t (id int PRIMARY KEY, big text NOT NULL, n int); INSERT INTO t VALUES (1, 'big', 1), (5, 'five', 1)`,
    );
    const map = await mapOf('t');
    const sink = await openSink([map]);
    await apply(sink, [update(map, '1', UNCHANGED, '2'), update(map, '9', UNCHANGED, '2')], false);
    expect(await lines('t')).toEqual(['1,big,2', '5,five,1']);
    expect(await sink.heal.take(map, 10)).toEqual([['9']]);
    // A key change without its big value: neither row can be trusted. With it: the row is known.
    await apply(sink, [rekey(map, '1', '2', UNCHANGED, '3'), rekey(map, '5', '6', 'six', '3')], false);
    expect(await lines('t')).toEqual(['6,six,3']);
    expect(await sink.heal.take(map, 10)).toEqual([['2'], ['9']]);
    expect(await sink.heal.size()).toBe(2);
    await sink.heal.remove(map, [['2']]);
    expect(await sink.heal.take(map, 10)).toEqual([['9']]);
  });

  test('until convergence whole rows are written whether they are there or not, and deletes may find nothing', async () => {
    await query(`CREATE TABLE one (id int PRIMARY KEY, v int); CREATE TABLE two (id int PRIMARY KEY, u int UNIQUE, v int);
      INSERT INTO one VALUES (1, 9); INSERT INTO two VALUES (1, 1, 9)`);
    const [one, two] = [await mapOf('one'), await uniqueMapOf('two')];
    const sink = await openSink([one, two]);
    await apply(
      sink,
      [
        insert(one, '1', '1'),
        update(one, '2', '2'),
        remove(one, '3'),
        insert(two, '1', '1', '1'),
        update(two, '2', '2', '2'),
        remove(two, '3'),
      ],
      false,
    );
    expect(await lines('one')).toEqual(['1,1', '2,2']);
    expect(await lines('two')).toEqual(['1,1,1', '2,2,2']);
    expect(await sink.heal.size()).toBe(0);
  });

  test('after convergence a row that is missing stops the stream, and nothing of the batch stays', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY, big text, n int)');
    const map = await mapOf('t');
    const sink = await openSink([map]);
    const before = await sink.checkpoint();
    for (const missing of [update(map, '2', UNCHANGED, '1'), update(map, '2', 'x', '1')])
      await expect(apply(sink, [insert(map, '1', 'x', '1'), missing])).rejects.toMatchObject({
        code: 'DBPS_E357',
        message: expect.stringContaining('id = 2') as string,
      });
    await expect(apply(sink, [rekey(map, '3', '4', 'x', '1')])).rejects.toMatchObject({ code: 'DBPS_E357' });
    expect(await lines('t')).toEqual([]);
    expect(await sink.checkpoint()).toEqual(before);
    // The session is as good as before; an update that changes nothing has found its row.
    await apply(sink, [insert(map, '1', 'x', '1')]);
    await apply(sink, [update(map, '1', 'x', '1')]);
    await apply(sink, [rekey(map, '1', '1', 'x', '1')]);
    expect(await lines('t')).toEqual(['1,x,1']);
  });

  test('H7: a former owner’s batch writes nothing, before and after its successor has begun', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY)');
    const map = await mapOf('t');
    const old = await openSink([map]);
    await apply(old, [insert(map, '1')]);
    const successor = { ...OWNER, epoch: 2 };
    await world().control.raiseEpoch(successor);
    await expect(apply(old, [insert(map, '2')])).rejects.toMatchObject({ code: 'DBPS_E301' });
    const fresh = await openSink([map], successor);
    await apply(fresh, [insert(map, '3')]);
    await expect(apply(old, [insert(map, '4')])).rejects.toMatchObject({ code: 'DBPS_E301' });
    await expect(old.spool([transaction([insert(map, '4')])], later())).rejects.toMatchObject({
      code: 'DBPS_E301',
    });
    expect(await lines('t')).toEqual(['1', '3']);
  });

  test('H7: a checkpoint that somebody else has moved stops the batch', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY)');
    const map = await mapOf('t');
    const [one, two] = [await openSink([map]), await openSink([map])];
    await apply(one, [insert(map, '1')]);
    await apply(two, [insert(map, '2')]);
    await expect(apply(one, [insert(map, '3')])).rejects.toMatchObject({ code: 'DBPS_E356' });
    expect(await lines('t')).toEqual(['1', '2']);
  });

  test('H9: each of its transactions begins with a change of the checkpoint', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const map = await mapOf('t');
    const { changes } = world();
    const reverse = { service: OWNER.service, direction: 'reverse' } as const;
    const capture = await changes.prepare(reverse, [map], OWNER);
    const sink = await openSink([map]);
    await apply(sink, [insert(map, '1', '1'), insert(map, '2', '1')]);
    await apply(sink, [rekey(map, '1', '3', '1'), truncate(map)]);
    await sink.spool([transaction([insert(map, '5', '5')])], later(10));
    await sink.advance(later(20));
    await sink.resetRelation(map);
    await query('INSERT INTO t VALUES (9, 9)');
    const stream = await changes.stream({
      stream: reverse,
      maps: [map],
      checkpoint: {
        ...reverse,
        epoch: 1,
        applied: capture.start,
        received: capture.start,
        source: capture.identity,
        updatedAt: '',
      },
      signal: new AbortController().signal,
    });
    const foreign: Change[] = [];
    for await (const read of stream) {
      if (!read.isOwn) foreign.push(...read.changes);
      if (!read.isOwn && read.changes.length > 0) break;
    }
    await stream.close();
    await changes.teardown(reverse, OWNER);
    expect(foreign).toEqual([insert(map, '9', '9')]);
  });

  test('H15: keys that changed are stored with the rows, old and new, and handed out once each', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (5, 0)');
    const map = await mapOf('t');
    const { control } = world();
    const sink = await openSink([map]);
    await apply(sink, [
      insert(map, '1', '1'),
      update(map, '1', '2'),
      insert(map, '2', '1'),
      remove(map, '2'),
    ]);
    await apply(sink, [rekey(map, '5', '6', '1'), update(map, '1', '3')]);
    const { changed } = await world().openSink([map], OWNER);
    expect((await changed.take(map, 100)).toSorted()).toEqual([['1'], ['2'], ['5'], ['6']]);
    expect(await changed.size()).toBe(5);
    expect(await control.readKeySets(OWNER.service, 'forward')).toEqual({ heal: 0, changed: 5 });
    expect((await control.readChangedKeys(STREAM, map, 100)).toSorted()).toEqual([
      ['1'],
      ['2'],
      ['5'],
      ['6'],
    ]);
    // Changed again after it was taken: it is still to be verified.
    await apply(sink, [insert(map, '2', '9'), remove(map, '6')]);
    await changed.remove(map, [['1'], ['2'], ['5'], ['6']]);
    expect((await changed.take(map, 100)).toSorted()).toEqual([['2'], ['6']]);
    await changed.remove(map, [['2']]);
    expect(await changed.take(map, 100)).toEqual([['6']]);
    await apply(sink, [truncate(map)]);
    expect(await changed.take(map, 100)).toEqual([['6'], []]);
    // Rolled back with the batch.
    await expect(apply(sink, [rekey(map, '77', '78', '1')])).rejects.toThrow();
    expect(await changed.size()).toBe(2);
  });

  test('spooled changes come back in order and leave with the batch that applies them', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const map = await mapOf('t');
    const sink = await openSink([map]);
    const [a, b, half] = [
      transaction([insert(map, '1', '1')]),
      transaction([update(map, '1', '2')]),
      transaction([insert(map, '2', '1')], false),
    ];
    await sink.spool([a, b], b.end);
    await sink.spool([half], b.end);
    expect(await sink.checkpoint()).toMatchObject({ applied: start(), received: b.end });
    // The end of the last transaction never came: it is received again from its beginning.
    const reopened = await world().openSink([map], OWNER);
    const segments = [];
    for await (const segment of reopened.readSpool()) segments.push(segment);
    expect(segments.map((segment) => segment.transactions)).toEqual([[a, b]]);
    await reopened.apply({
      transactions: [a, b],
      end: b.end,
      spooled: { through: segments[0]?.id ?? '' },
      isConverged: false,
    });
    expect(await reopened.checkpoint()).toMatchObject({ applied: b.end, received: b.end });
    for await (const segment of reopened.readSpool()) expect(segment).toBe('nothing left');
    expect(await lines('t')).toEqual(['1,2']);
  });

  test('a transaction in pieces is one on the target, however large', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const map = await mapOf('t');
    const sink = await openSink([map]);
    let seen = -1;
    let end = '';
    const pieces = async function* () {
      for (let piece = 0; piece < 6; piece++) {
        const changes = Array.from({ length: 5_000 }, (_, i) => insert(map, String(piece * 5_000 + i), '1'));
        const part = transaction(changes, piece === 5);
        end = part.end;
        yield part;
        if (piece < 5) seen = (await lines('t')).length;
      }
    };
    const { changes } = await sink.apply({ transactions: pieces(), end: null, isConverged: true });
    expect(changes).toBe(30_000);
    expect(seen).toBe(0);
    expect(await lines('t')).toHaveLength(30_000);
    expect(await sink.checkpoint()).toMatchObject({ applied: end });
  });

  test('any history of a table: what is applied in batches is what happened', async () => {
    await query('CREATE TABLE t (id int PRIMARY KEY, u varchar(3) UNIQUE, v int)');
    const map = await uniqueMapOf('t');
    const sink = await openSink([map]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 6 }), async (batches) => {
        await apply(sink, [truncate(map)]);
        const table: Table = new Map();
        for (const steps of batches) await apply(sink, carryOut(table, map, steps));
        expect(await lines('t')).toEqual([...table].map(([id, { u, v }]) => `${id},${u},${v}`).sort());
      }),
      { numRuns: 40 },
    );
  });
}

type Table = Map<number, { readonly u: string | null; readonly v: number }>;

const step = fc.record({
  kind: fc.constantFrom('insert', 'update', 'delete', 'rekey', 'truncate', 'insert', 'update'),
  id: fc.integer({ min: 1, max: 6 }),
  other: fc.integer({ min: 1, max: 6 }),
  u: fc.option(fc.constantFrom('a', 'b', 'c', 'd')),
  v: fc.integer({ min: 0, max: 9 }),
});

/** Those of the steps that a table with these rows takes, done to it. */
function carryOut(
  table: Table,
  map: RelationMap,
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
): Change[] {
  const changes: Change[] = [];
  const isTaken = (u: string | null, but: number) =>
    u !== null && [...table].some(([id, row]) => id !== but && row.u === u);
  for (const { kind, id, other, u, v } of steps) {
    const row = table.get(id);
    if (kind === 'insert' && row === undefined && !isTaken(u, id)) {
      table.set(id, { u, v });
      changes.push(insert(map, String(id), u, String(v)));
    } else if (kind === 'update' && row !== undefined && !isTaken(u, id)) {
      table.set(id, { u, v });
      changes.push(update(map, String(id), u, String(v)));
    } else if (kind === 'delete' && row !== undefined) {
      table.delete(id);
      changes.push(remove(map, String(id)));
    } else if (kind === 'rekey' && row !== undefined && !table.has(other)) {
      table.delete(id);
      table.set(other, row);
      changes.push(rekey(map, String(id), String(other), row.u, String(row.v)));
    } else if (kind === 'truncate' && v === 0) {
      table.clear();
      changes.push(truncate(map));
    }
  }
  return changes;
}
