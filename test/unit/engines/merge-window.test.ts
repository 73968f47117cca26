/** Net changes against the plainest model there is: every change applied to a map of rows, one by one, in source order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UNCHANGED, type Change, type RelationMap, type Value } from '../../../src/engines/engine.js';
import { arrayLiteral } from '../../../src/engines/postgres/postgres-array-literal.js';
import { canMerge, keyText, MergeWindow } from '../../../src/engines/merge-window.js';

const MAP: RelationMap = {
  source: 'public.t',
  target: 'public.t',
  columns: ['a', 'b', 'big', 'note'].map((name) => ({
    name,
    target: name,
    sourceType: 'text',
    targetType: 'text',
  })),
  key: ['a', 'b'],
  leaves: ['public.t'],
  hasOtherUniqueness: false,
};

type Row = readonly Value[];
type Rows = Map<string, Row>;
const keyOf = (row: Row) => keyText([row[0] as string, row[1] as string]);
const fill = (row: Row, before: Row | undefined): Row =>
  row.map((value, i) => (value === UNCHANGED ? (before?.[i] ?? null) : value));

function applyOne(rows: Rows, change: Change): void {
  if (change.kind === 'truncate') rows.clear();
  else if (change.kind === 'delete') rows.delete(keyText(change.key));
  else if (change.kind === 'insert') rows.set(keyOf(change.values), change.values);
  else {
    const old = change.oldKey === null ? keyOf(change.values) : keyText(change.oldKey);
    const before = rows.get(old);
    rows.delete(old);
    rows.set(keyOf(change.values), fill(change.values, before));
  }
}

/** As the statements do it: all deletes, then all updates of rows that are there, then all upserts. */
function applyWindow(rows: Rows, window: MergeWindow): void {
  for (const { rows: net } of window.relations) {
    for (const row of net.values()) if (row.kind === 'delete') rows.delete(keyText(row.key));
    for (const row of net.values())
      if (row.kind === 'update') {
        const before = rows.get(keyOf(row.values));
        if (before !== undefined) rows.set(keyOf(row.values), fill(row.values, before));
      }
    for (const row of net.values())
      if (row.kind === 'upsert') rows.set(keyOf(row.values), fill(row.values, undefined));
  }
}

/** A history that a server could have logged: updates and deletes only of rows that are there. */
const part = fc.constantFrom('1', '2', '11');
const history = fc
  .array(
    fc.record({
      kind: fc.constantFrom('insert', 'update', 'toast', 'rekey', 'delete', 'truncate'),
      a: part,
      b: part,
      newA: part,
      big: fc.constantFrom('x', 'y', null),
      note: fc.constantFrom('n', 'm', null),
    }),
    { maxLength: 60 },
  )
  .map((steps) => {
    const rows: Rows = new Map();
    const changes: Change[] = [];
    for (const { kind, a, b, newA, big, note } of steps) {
      const exists = rows.has(keyText([a, b]));
      const values: Value[] = [a, b, kind === 'toast' ? UNCHANGED : big, note];
      let change: Change;
      if (kind === 'truncate') change = { kind, maps: [MAP], leaves: ['public.t'] };
      else if (!exists) change = { kind: 'insert', map: MAP, values: [a, b, big, note] };
      else if (kind === 'delete') change = { kind, map: MAP, key: [a, b] };
      else if (kind === 'rekey' && newA !== a && !rows.has(keyText([newA, b])))
        change = { kind: 'update', map: MAP, values: [newA, b, UNCHANGED, note], oldKey: [a, b] };
      else change = { kind: 'update', map: MAP, values, oldKey: null };
      applyOne(rows, change);
      changes.push(change);
    }
    return changes;
  });

test('merged in windows of any size, a history ends in the same rows as one by one', () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 20 }), (changes, size) => {
      const expected: Rows = new Map();
      const merged: Rows = new Map();
      let window = new MergeWindow();
      const flush = () => {
        applyWindow(merged, window);
        window = new MergeWindow();
      };
      for (const change of changes) {
        applyOne(expected, change);
        if (canMerge(change)) {
          window.add(change);
          if (window.changes.length >= size) flush();
        } else {
          flush();
          applyOne(merged, change);
        }
      }
      flush();
      expect([...merged].sort()).toEqual([...expected].sort());
    }),
    { numRuns: 2_000 },
  );
});

test('a row is written once a window, however often it changed', () => {
  fc.assert(
    fc.property(history, (changes) => {
      const window = new MergeWindow();
      const kept = changes.filter(canMerge);
      for (const change of kept) window.add(change);
      expect(window.changes).toEqual(kept);
      const touched = new Set(
        kept.map((change) => (change.kind === 'delete' ? keyText(change.key) : keyOf(change.values))),
      );
      expect(window.relations[0]?.rows.size ?? 0).toBe(touched.size);
    }),
  );
});

test('H3: an update with values that the log does not have stays an update', () => {
  const window = new MergeWindow();
  window.add({ kind: 'update', map: MAP, values: ['1', '2', UNCHANGED, 'n'], oldKey: null });
  window.add({ kind: 'update', map: MAP, values: ['1', '2', UNCHANGED, 'm'], oldKey: null });
  expect([...(window.relations[0]?.rows.values() ?? [])]).toEqual([
    { kind: 'update', values: ['1', '2', UNCHANGED, 'm'] },
  ]);
});

test('keys of several columns never run into each other', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string(), { minLength: 2, maxLength: 2 }),
      fc.array(fc.string(), { minLength: 2, maxLength: 2 }),
      (a, b) => {
        expect(keyText(a) === keyText(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      },
    ),
  );
});

/** The server's array reader, as far as one dimension goes. */
function readArray(text: string): (string | null)[] {
  const items: (string | null)[] = [];
  let i = 1;
  while (i < text.length - 1) {
    if (text[i] === ',') i++;
    if (text[i] === '"') {
      let item = '';
      for (i++; text[i] !== '"'; i++) {
        if (text[i] === '\\') i++;
        item += text[i];
      }
      i++;
      items.push(item);
    } else {
      const end = text.slice(i).search(/[,}]/) + i;
      const item = text.slice(i, end);
      items.push(item === 'NULL' ? null : item);
      i = end;
    }
  }
  return items;
}

test('array text reads back as the values it was made of', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.string({ unit: 'grapheme' })), { maxLength: 10 }), (values) => {
      expect(readArray(arrayLiteral(values, false))).toEqual(values);
    }),
  );
  expect(arrayLiteral(['1', null, '-3'], true)).toBe('{1,NULL,-3}');
});
