/**
 * The shape of a service's relations on each side, as it was when the copy began to rest on it, against what it is now. ALTER TYPE, ADD
 * COLUMN DEFAULT, DETACH and ATTACH change rows without a word in the log.
 */
import type { ReadOnlyDatabase } from '../engines/engine.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import { compareShapes, fingerprint, type ShapeDifference } from '../model/fingerprint.js';
import type { ServicePlan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import type { Shapes } from '../state/state-store.js';
import type { MoveContext } from './move-context.js';

export type Side = 'legacy' | 'target';

/** Roots of the service's relations under the names they have on that side. */
export function relationsOn(
  side: Side,
  context: Pick<MoveContext, 'service' | 'maps'>,
): readonly RelationId[] {
  return side === 'legacy' ? context.service.relations : context.maps.map((map) => map.target);
}

export async function readShape(
  side: Side,
  context: Pick<MoveContext, 'service' | 'maps'> & {
    readonly legacy: Pick<ReadOnlyDatabase, 'introspector'>;
    readonly target: Pick<ReadOnlyDatabase, 'introspector'>;
  },
): Promise<DatabaseSchema> {
  return context[side].introspector.readRelations(relationsOn(side, context));
}

/** What a fence compares behind its locks; null before the copy. */
export function expectedFingerprint(
  side: Side,
  shapes: Shapes,
  context: { readonly service: ServicePlan; readonly maps: MoveContext['maps'] },
): string | null {
  const shape = shapes[side];
  return shape === null ? null : fingerprint(shape, relationsOn(side, context));
}

export interface SideDifference extends ShapeDifference {
  readonly side: Side;
}

/** Empty when both sides are as they were; a side that has no remembered shape is not compared. */
export async function findShapeChanges(
  context: Parameters<typeof readShape>[1] & { readonly shapes: Shapes },
): Promise<readonly SideDifference[]> {
  const found: SideDifference[] = [];
  for (const side of ['legacy', 'target'] as const) {
    const before = context.shapes[side];
    if (before === null) continue;
    const now = await readShape(side, context);
    found.push(...compareShapes(before, now, relationsOn(side, context)).map((d) => ({ side, ...d })));
  }
  return found;
}

export function describeShapeChanges(changes: readonly SideDifference[]): string {
  return changes.map((change) => `${change.relation} in ${change.side}: ${change.what}`).join('; ');
}

/** What helps: the same DDL on the other side, or copying again. */
export function shapeRemedy(service: string, changes: readonly SideDifference[]): string {
  const isAdditive = changes.every((change) => change.effect === 'additive' && change.side === 'legacy');
  return isAdditive ? `dbps migrate resume ${service} --apply-ddl` : `dbps migrate abort ${service}`;
}
