import { expect, test } from 'vitest';
import { lineProgress } from '../../../src/cli/progress.js';
import type { ProgressEvent } from '../../../src/model/events.js';

const copied = (relation: string, rows: number): ProgressEvent => ({
  type: 'progress',
  service: 'orders',
  activity: 'copy',
  relation,
  rows,
  totalRows: 100,
  bytes: rows,
  rowsPerSecond: 10,
  etaMs: null,
});

test('lines for logs: the first and the last of a relation, the last before the end of its step, nothing of it afterwards', () => {
  const lines: string[] = [];
  const progress = lineProgress(
    (line) => lines.push(line.slice('2026-01-01T00:00:00Z '.length).trimEnd()),
    () => 0,
  );
  const step = (state: 'started' | 'done') =>
    progress.sink({ type: 'step', service: 'orders', step: 'copy', state });
  step('started');
  for (const rows of [10, 50, 90]) progress.sink(copied('a', rows));
  progress.sink(copied('b', 5));
  step('done');
  progress.sink({ type: 'phase', service: 'orders', from: 'provisioned', to: 'dual-write' });
  progress.sink(copied('a', 100));
  progress.finish();
  expect(lines).toEqual([
    'orders step copy started',
    'orders copy a 10/~100 rows 10% 10/s eta=-',
    'orders copy b 5/~100 rows 5% 10/s eta=-',
    'orders copy a 90/~100 rows 90% 10/s eta=-',
    'orders step copy done',
    'orders phase provisioned -> dual-write',
    'orders copy a 100/~100 rows 100% 10/s eta=-',
  ]);
});
