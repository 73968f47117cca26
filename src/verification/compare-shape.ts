/** Equal rows in tables of another shape are not equal: the service database must look as the plan says. */
import { compareShapes } from '../model/fingerprint.js';
import type { ShapeComparison } from '../model/verification.js';
import type { VerifyInput } from './verify-input.js';

export async function compareShape(input: VerifyInput): Promise<ShapeComparison> {
  const { expected } = input;
  if (expected === undefined) return { outcome: 'not-compared', reason: 'no planned shape was given' };
  const found = await input.target.introspector.read({ schemas: expected.schemas, signal: input.signal });
  const differences = compareShapes(
    expected,
    found,
    input.maps.map((map) => map.target),
  );
  if (differences.length === 0) return { outcome: 'equal' };
  return {
    outcome: 'differs',
    detail: differences.map(({ relation, what }) => `${relation}: ${what}`).join('; '),
  };
}
