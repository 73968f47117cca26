import { describe, expect, test } from 'vitest';
import { parentsFirst } from '../../src/engines/postgres/postgres-fence-order.js';
import {
  fenceSequence,
  planAdvance,
  type SequenceFacts,
} from '../../src/engines/postgres/postgres-fence-sequences.js';
import { judgeOwnership } from '../../src/migration/ownership.js';
import { openRogueWrites } from '../../src/migration/rogue-writes.js';
import { RowDigest } from '../../src/migration/row-digest.js';
import type { JournalEntry } from '../../src/state/state-store.js';

const sequence = (over: Partial<SequenceFacts> = {}): SequenceFacts => ({
  id: 'public.s',
  sql: '"public"."s"',
  lastValue: 10n,
  isCalled: true,
  isCycling: false,
  start: '1',
  next: '11',
  increment: '1',
  minimum: '1',
  maximum: '32767',
  cache: '1',
  ...over,
});
const bounds = { minimum: '1', maximum: '32767', start: '1', isCycling: false };
const advance = (peer: Partial<SequenceFacts>, clients = 1) => ({
  id: 'public.s',
  peer: sequence(peer),
  clients,
});

describe('H16: sequences go on beyond what either side has given', () => {
  test('by increment × cache × clients', () => {
    expect(planAdvance(sequence(), bounds, advance({ next: '500', cache: '20' }, 7))).toBe(640n);
    expect(planAdvance(sequence({ next: '900' }), bounds, advance({ next: '500' }, 7))).toBe(907n);
  });

  test('in their own direction', () => {
    const down = { increment: '-1', minimum: '-32767', maximum: '-1', next: '-11' };
    expect(
      planAdvance(
        sequence(down),
        { minimum: '-32767', maximum: '-1', start: '-1', isCycling: false },
        advance({ ...down, next: '-500' }, 3),
      ),
    ).toBe(-503n);
  });

  test('within their bounds', () => {
    expect(() => planAdvance(sequence(), bounds, advance({ next: '32760' }, 50))).toThrow(/has no room/);
  });
});

test('H16: a fenced sequence keeps START and both bounds apart, in either direction and at its first value', () => {
  expect(fenceSequence(sequence())).toBe(
    'ALTER SEQUENCE "public"."s" MINVALUE 1 MAXVALUE 10 START WITH 10 NO CYCLE',
  );
  expect(fenceSequence(sequence({ lastValue: 1n }))).toContain('MINVALUE 0 MAXVALUE 1 START WITH 1');
  expect(
    fenceSequence(sequence({ increment: '-1', minimum: '-100', maximum: '-1', lastValue: -1n })),
  ).toContain('MINVALUE -1 MAXVALUE 0 START WITH -1');
  expect(fenceSequence(sequence({ lastValue: 1n, isCalled: false }))).toContain(
    'setval(\'"public"."s"\'::regclass, 1, true)',
  );
});

test('locks are taken from parents to children, partitions counted for their root', () => {
  const tree = [
    { id: 'a', root: 'a' },
    { id: 'b', root: 'b' },
    { id: 'b_1', root: 'b' },
    { id: 'c', root: 'c' },
  ];
  const keys = [
    { relation: 'a', parent: 'b_1' },
    { relation: 'b_1', parent: 'c' },
    { relation: 'c', parent: 'c' },
  ];
  expect(parentsFirst(['a', 'b', 'c'], keys, tree)).toEqual(['c', 'b', 'a']);
  expect(parentsFirst(['a', 'b'], [...keys, { relation: 'b', parent: 'a' }], tree)).toHaveLength(2);
});

describe('ownership, from the rows of both databases', () => {
  const row = (owner: 'legacy' | 'service', revision: number) => ({ owner, revision, epoch: 1 });

  test.each([
    ['never switched', null, null, 'legacy', 'legacy'],
    ['legacy owns', row('legacy', 3), null, 'legacy', 'legacy'],
    ['committed forward, not opened', row('service', 4), null, null, 'service'],
    ['the service owns', row('service', 4), row('service', 4), 'service', 'service'],
    ['rolled back, not opened', row('service', 4), row('legacy', 5), null, 'legacy'],
    ['rolled back', row('legacy', 5), row('legacy', 5), 'legacy', 'legacy'],
    ['forward again, not opened', row('service', 6), row('legacy', 5), null, 'service'],
  ] as const)('%s', (_what, legacy, service, accepting, decided) => {
    expect(judgeOwnership(legacy, service)).toMatchObject({ accepting, decided });
  });

  test('two owners are never believed', () => {
    expect(() => judgeOwnership(row('legacy', 1), row('service', 2))).toThrow(/both databases/);
  });
});

test('H19: rogue writes stay open until somebody decides', () => {
  const note = (id: number, step: string, data: unknown): JournalEntry => ({
    id,
    service: 'orders',
    transition: 'forward',
    step,
    event: 'note',
    detail: null,
    data,
    epoch: 1,
    holder: 'h',
    at: '2026-01-01T00:00:00Z',
  });
  const change = { relation: 'public.orders', kind: 'update', key: ['1'], position: '0/1' };
  const history = [note(1, 'rogue-write', change), note(2, 'rogue-write', { ...change, key: ['2'] })];
  expect(openRogueWrites(history).map(({ entry }) => entry)).toEqual([1, 2]);
  const began = (id: number, keepOwner: boolean) => ({
    ...note(id, '-', { parameters: { keepOwner } }),
    event: 'started' as const,
  });
  expect(openRogueWrites([...history, began(3, false)])).toHaveLength(2);
  expect(openRogueWrites([...history, began(3, true), note(4, 'rogue-write', change)])).toMatchObject([
    { entry: 4, key: ['1'] },
  ]);
});

test('a digest of rows does not depend on their order or on how they are cut, and counts twins', () => {
  const digest = (...pieces: string[]) => {
    const rows = new RowDigest();
    for (const piece of pieces) rows.update(Buffer.from(piece));
    return rows.digest();
  };
  expect(digest('a\nbb\nccc\n')).toBe(digest('ccc\na', '\nb', 'b\n'));
  expect(digest('a\na\n')).not.toBe(digest('b\nb\n'));
  expect(digest('a\n')).not.toBe(digest('a\na\n'));
});
