import { expect, test } from 'vitest';
import { askPatiently, allSaidYes, type Ask, type RehearsalResult } from '../../src/app/rehearsal.js';
import type { GuardResult } from '../../src/migration/step-context.js';
import type { Phase } from '../../src/model/phases.js';

const NAMES = ['full-verify', 'lag', 'no-long-transactions'];

/** A service whose guards say yes when their number of refusals is used up; a refusal of -1 does not pass by itself. */
function asked(refusals: Record<string, number>, phases: Phase[] = []) {
  const rounds: string[] = [];
  const left = new Map(Object.entries(refusals));
  const ask: Ask = (only) => {
    const names = NAMES.filter((name) => only?.has(name) !== false);
    rounds.push(names.join(' '));
    const guards = names.map((guard) => {
      const refused = left.get(guard) ?? 0;
      left.set(guard, refused > 0 ? refused - 1 : refused);
      const result: GuardResult =
        refused === 0
          ? { outcome: 'ok', detail: 'ok' }
          : {
              outcome: 'refused',
              code: 'DBPS_E324',
              detail: 'no',
              hint: 'wait',
              findings: [],
              mayPass: refused > 0,
            };
      return { guard, result };
    });
    const legs: RehearsalResult['legs'] = [
      {
        from: 'sync',
        to: 'write-cutover',
        kind: 'carry-out',
        summary: '',
        confirmation: 'reversible',
        guards,
        actions: [],
      },
    ];
    const phase = phases.shift() ?? 'sync';
    return Promise.resolve({ service: 'orders', phase, legs, confirm: null, isReady: allSaidYes(legs) });
  };
  return { ask, rounds };
}

const patience = (times: number) => () => Promise.resolve(times-- > 0);
const outcomes = (told: RehearsalResult) => told.legs[0]?.guards.map(({ result }) => result.outcome);

test('guards that said yes rest while others are waited for; then everything is asked in one round', async () => {
  const { ask, rounds } = asked({ lag: 1, 'no-long-transactions': 3 });
  const told = await askPatiently(ask, patience(10));
  expect(told.isReady).toBe(true);
  expect(rounds).toEqual([
    'full-verify lag no-long-transactions',
    'lag no-long-transactions',
    'no-long-transactions',
    'no-long-transactions',
    'full-verify lag no-long-transactions',
  ]);
});

test('a service that is ready is asked once', async () => {
  const { ask, rounds } = asked({});
  expect((await askPatiently(ask, patience(10))).isReady).toBe(true);
  expect(rounds).toHaveLength(1);
});

test('when it was enough, the last answer of every guard is told', async () => {
  const { ask } = asked({ lag: 1, 'no-long-transactions': 9 });
  const told = await askPatiently(ask, patience(2));
  expect(told.isReady).toBe(false);
  expect(outcomes(told)).toEqual(['ok', 'ok', 'refused']);
});

test('a refusal that does not pass by itself ends it at once', async () => {
  const { ask, rounds } = asked({ lag: 1, 'no-long-transactions': -1 });
  expect((await askPatiently(ask, patience(10))).isReady).toBe(false);
  expect(rounds).toHaveLength(1);
});

test('moved to another phase meanwhile, every guard is asked anew', async () => {
  const { ask, rounds } = asked({ lag: 1 }, ['sync', 'write-cutover', 'write-cutover']);
  const told = await askPatiently(ask, patience(10));
  expect(told.phase).toBe('write-cutover');
  expect(outcomes(told)).toEqual(['ok', 'ok', 'ok']);
  expect(rounds.at(-1)).toBe('full-verify lag no-long-transactions');
});
