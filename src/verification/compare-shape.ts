/** Equal rows in tables of another shape are not equal: the service database must look as the plan says. */
import { compareShapes } from '../model/fingerprint.js';
import type { Column, DatabaseSchema } from '../model/database-schema.js';
import type { ShapeComparison } from '../model/verification.js';
import type { VerifyInput } from './verify-input.js';

export async function compareShape(input: VerifyInput): Promise<ShapeComparison> {
  const { expected } = input;
  if (expected === undefined) return { outcome: 'not-compared', reason: 'no planned shape was given' };
  const found = await input.target.introspector.read({ schemas: expected.schemas, signal: input.signal });
  const differences = compareShapes(
    expected,
    asPlanned(found, expected),
    input.maps.map((map) => map.target),
  );
  if (differences.length === 0) return { outcome: 'equal' };
  return {
    outcome: 'differs',
    detail: differences.map(({ relation, what }) => `${relation}: ${what}`).join('; '),
  };
}

/** MariaDB's json is a longtext, in a collation of its own, that checks itself: where json is planned, that is it. */
function asPlanned(found: DatabaseSchema, expected: DatabaseSchema): DatabaseSchema {
  if (!found.product.startsWith('MariaDB')) return found;
  const planned = new Map(expected.relations.map((relation) => [relation.id, relation.columns]));
  return {
    ...found,
    relations: found.relations.map((relation) => ({
      ...relation,
      columns: relation.columns.map((column): Column => {
        const like = planned.get(relation.id)?.find(({ name }) => name === column.name);
        if (like?.type !== 'json' || column.type !== 'longtext') return column;
        const { collation: _, ...rest } = column;
        return { ...rest, type: 'json', ...(like.collation !== undefined && { collation: like.collation }) };
      }),
    })),
  };
}
