import { expect, test } from 'vitest';
import { FENCE_SQLSTATE, fenceHint, fenceSignal, readFenceRefusal } from '../../src/model/fence-error.js';

test('a refusal carries service and new owner through the hint', () => {
  const refusal = { service: 'orders go to lunch', owner: 'service' } as const;
  expect(readFenceRefusal({ code: FENCE_SQLSTATE, hint: fenceHint(refusal) })).toEqual(refusal);
});

test('where there is no hint the message begins with the fixed form, within what SIGNAL takes', () => {
  const refusal = { service: 'o'.repeat(63), owner: 'legacy' } as const;
  const sqlMessage = fenceSignal(refusal, 'the writes go to service; they are elsewhere now '.repeat(3));
  expect(sqlMessage).toHaveLength(128);
  const error = { code: 'ER_SIGNAL_EXCEPTION', sqlState: FENCE_SQLSTATE, sqlMessage };
  expect(readFenceRefusal(error)).toEqual(refusal);
});

test('other errors are no refusals', () => {
  expect(readFenceRefusal({ code: '23505', hint: 'dbps: writes of orders go to service' })).toBeNull();
  expect(readFenceRefusal({ code: FENCE_SQLSTATE })).toBeNull();
  expect(readFenceRefusal('DB5F1')).toBeNull();
  expect(readFenceRefusal(null)).toBeNull();
});
