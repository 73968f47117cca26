import { expect, test } from 'vitest';
import { UNCHANGED, type ChangeTransaction, type RelationMap } from '../../../src/engines/engine.js';
import { decodeSegment, encodeSegment } from '../../../src/engines/spool-codec.js';

const map = (source: string, columns: readonly string[]): RelationMap => ({
  source,
  target: source,
  columns: columns.map((name) => ({ name, target: name, sourceType: 'text', targetType: 'text' })),
  key: ['id'],
  leaves: [source],
  hasOtherUniqueness: false,
});
const orders = map('public.orders', ['id', 'note']);
const lines = map('public.lines', ['id', 'n']);

const transaction = (changes: ChangeTransaction['changes'], last = true): ChangeTransaction => ({
  commit: '0/10',
  end: '0/20',
  committedAtMs: 5,
  isOwn: false,
  changes,
  barriers: ['b1'],
  last,
  bytes: 7,
});

test('a segment read alone, with maps made anew, gives the same changes', async () => {
  const transactions = [
    transaction([
      { kind: 'insert', map: orders, values: ['1', null] },
      { kind: 'update', map: lines, values: ['2', UNCHANGED], oldKey: ['1'] },
    ]),
    transaction(
      [
        { kind: 'delete', map: orders, key: ['1'] },
        { kind: 'truncate', maps: [lines], leaves: ['public.lines_1'] },
        { kind: 'insert', map: orders, values: ['0', 'snowman ☃ "quoted" \\ '] },
      ],
      false,
    ),
  ];
  expect(await decodeSegment(await encodeSegment(transactions), [orders, lines])).toEqual(transactions);
});

test('a column added since is missing in the spooled rows; one that is gone stops the replay', async () => {
  const payload = await encodeSegment([transaction([{ kind: 'insert', map: orders, values: ['1', 'x'] }])]);
  const wider = map('public.orders', ['id', 'added', 'note']);
  const [read] = await decodeSegment(payload, [wider]);
  expect(read?.changes).toEqual([{ kind: 'insert', map: wider, values: ['1', UNCHANGED, 'x'] }]);
  await expect(decodeSegment(payload, [map('public.orders', ['id'])])).rejects.toMatchObject({
    code: 'DBPS_E354',
  });
});
