import { expect, test } from 'vitest';
import { FENCE_SQLSTATE, fenceHint, readFenceRefusal } from '../../src/model/fence-error.js';

test('a refusal carries service and new owner through the hint', () => {
  const refusal = { service: 'orders go to lunch', owner: 'service' } as const;
  expect(readFenceRefusal({ code: FENCE_SQLSTATE, hint: fenceHint(refusal) })).toEqual(refusal);
});

test('other errors are no refusals', () => {
  expect(readFenceRefusal({ code: '23505', hint: 'dbps: writes of orders go to service' })).toBeNull();
  expect(readFenceRefusal({ code: FENCE_SQLSTATE })).toBeNull();
  expect(readFenceRefusal('DB5F1')).toBeNull();
  expect(readFenceRefusal(null)).toBeNull();
});
