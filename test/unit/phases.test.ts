import { expect, test } from 'vitest';
import { PHASES, TRANSITIONS, backTransition, nextTransition } from '../../src/model/phases.js';

test('every phase but the last has one way forward, to the next', () => {
  for (const [index, phase] of PHASES.entries()) {
    expect(nextTransition(phase)?.to).toBe(PHASES[index + 1]);
  }
});

test('every phase between the first and the last has a way back', () => {
  for (const phase of PHASES.slice(1, -1)) expect(backTransition(phase)).toBeDefined();
  expect(backTransition('decommissioned')).toBeUndefined();
  expect(backTransition('planned')).toBeUndefined();
});

test('only decommissioning is irreversible', () => {
  expect(TRANSITIONS.filter((t) => t.confirmation === 'irreversible').map((t) => t.to)).toEqual([
    'decommissioned',
  ]);
});
