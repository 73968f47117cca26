import { describe, expect, test } from 'vitest';
import {
  confirmationToken,
  planAbort,
  planAdvance,
  planRollback,
  type Leg,
} from '../../src/migration/itinerary.js';
import type { Phase } from '../../src/model/phases.js';

const at = (phase: Phase, target: Phase | null = null) => ({ service: 'orders', phase, target });
const show = (legs: readonly Leg[]) =>
  legs.map(({ kind, transition }) => `${kind} ${transition.from} -> ${transition.to}`);

describe('advance', () => {
  test('goes to the next phase, and to no other', () => {
    expect(show(planAdvance(at('planned'), undefined, false))).toEqual(['carry-out planned -> provisioned']);
    expect(() => planAdvance(at('planned'), 'sync', false)).toThrow(/no transition from there to sync/);
    expect(() => planAdvance(at('decommissioned'), undefined, false)).toThrow(/no transition/);
  });

  test('does nothing where the service is already, unless a share of reads is given', () => {
    expect(planAdvance(at('read-cutover'), 'read-cutover', false)).toEqual([]);
    expect(show(planAdvance(at('read-cutover'), 'read-cutover', true))).toEqual([
      'carry-out dual-write -> read-cutover',
    ]);
  });

  test('goes on with what was begun, and with nothing else', () => {
    expect(show(planAdvance(at('provisioned', 'dual-write'), undefined, false))).toEqual([
      'carry-out provisioned -> dual-write',
    ]);
    expect(() => planAdvance(at('dual-write', 'provisioned'), undefined, false)).toThrow(
      /on its way from dual-write to provisioned/,
    );
  });
});

describe('rollback', () => {
  test('one transition, or as many as it takes', () => {
    expect(show(planRollback(at('sync'), undefined))).toEqual(['carry-out sync -> read-cutover']);
    expect(show(planRollback(at('sync'), 'provisioned'))).toEqual([
      'carry-out sync -> read-cutover',
      'carry-out read-cutover -> dual-write',
      'carry-out dual-write -> provisioned',
    ]);
    expect(() => planRollback(at('dual-write'), 'sync')).toThrow(/no transition from there to sync/);
    expect(() => planRollback(at('planned'), undefined)).toThrow(/no transition/);
    expect(() => planRollback(at('decommissioned'), undefined)).toThrow(/no transition/);
    // There is no stop between the two.
    expect(() => planRollback(at('sync'), 'write-cutover')).toThrow(/no transition/);
  });

  test('takes back first what was begun and not finished', () => {
    expect(show(planRollback(at('read-cutover', 'write-cutover'), undefined))).toEqual([
      'take-back read-cutover -> write-cutover',
    ]);
    expect(show(planRollback(at('read-cutover', 'write-cutover'), 'dual-write'))).toEqual([
      'take-back read-cutover -> write-cutover',
      'carry-out read-cutover -> dual-write',
    ]);
    expect(show(planRollback(at('dual-write', 'provisioned'), undefined))).toEqual([
      'carry-out dual-write -> provisioned',
    ]);
  });
});

test('abort goes back to planned from every phase that owns nothing, and from no other', () => {
  expect(show(planAbort(at('provisioned', 'dual-write')))).toEqual([
    'take-back provisioned -> dual-write',
    'carry-out provisioned -> planned',
  ]);
  expect(planAbort(at('planned'))).toEqual([]);
  for (const phase of ['write-cutover', 'sync', 'decommissioned'] as const)
    expect(() => planAbort(at(phase))).toThrow(/rolled back, not aborted/);
});

test('a token changes with the plan and with every lease', () => {
  const state = { service: 'orders', planHash: '7f3a9c1e', epoch: 14 };
  expect(confirmationToken(state)).toBe('orders@7f3a9c1e.e14');
  expect(confirmationToken({ ...state, epoch: 15 })).not.toBe(confirmationToken(state));
});
