import { expect, test } from 'vitest';
import { readAttempt } from '../../src/migration/journal.js';
import { TRANSITIONS, type Transition } from '../../src/model/phases.js';
import type { JournalEntry } from '../../src/state/state-store.js';

const forward = TRANSITIONS.find((t) => t.to === 'dual-write') as Transition;

const entry = (step: string, event: JournalEntry['event'], data: unknown = null): JournalEntry => ({
  id: 0,
  service: 'orders',
  transition: 'provisioned -> dual-write',
  step,
  event,
  detail: null,
  data,
  epoch: 1,
  holder: 'ci',
  at: '',
});

test('only the latest attempt counts, and what was taken back does not', () => {
  const entries = [
    entry('-', 'started'),
    entry('create-forward-capture', 'started'),
    entry('create-forward-capture', 'done'),
    entry('-', 'undone'),
    entry('-', 'started', { parameters: { wait: true } }),
    entry('create-forward-capture', 'started'),
    entry('create-forward-capture', 'done'),
    entry('copy', 'started'),
    entry('copy', 'note'),
    entry('copy', 'started'),
    entry('replay', 'started'),
    entry('replay', 'undone'),
    { ...entry('empty-target', 'started'), transition: 'dual-write -> provisioned' },
  ];
  expect(readAttempt(entries, forward)).toEqual({
    parameters: { wait: true },
    begun: ['create-forward-capture', 'copy'],
  });
  expect(readAttempt([], forward)).toEqual({ parameters: {}, begun: [] });
});
