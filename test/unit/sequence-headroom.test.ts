import { expect, test } from 'vitest';
import { assessHeadroom } from '../../src/verification/measure-sequences.js';

const state = { id: 'public.s', minimum: '1', maximum: '100', increment: '1', cache: '1' };

test('how much a sequence can still give, whichever way it runs', () => {
  expect(assessHeadroom({ ...state, next: '1' })).toMatchObject({ left: '100', used: 0, limit: '100' });
  expect(assessHeadroom({ ...state, next: '100' })).toMatchObject({ left: '1', used: 0.99 });
  expect(assessHeadroom({ ...state, next: '101' })).toMatchObject({ left: '0', used: 1 });
  expect(
    assessHeadroom({ ...state, minimum: '-100', maximum: '-1', increment: '-10', next: '-91' }),
  ).toMatchObject({
    left: '1',
    limit: '-100',
  });
  expect(assessHeadroom({ ...state, maximum: '9223372036854775807', next: '3' }).used).toBeCloseTo(0);
});
