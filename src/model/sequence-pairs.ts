/** A service's sequences under the names they have on each side. Pure. */
import type { ServicePlan } from './plan.js';
import { parseRelationId, relationId, type RelationId } from './relation-id.js';

export interface SequencePair {
  readonly legacy: RelationId;
  readonly target: RelationId;
}

/** The plan writes the target's; across engines the counter of a column may be named after its table on one side and by itself on the other. */
export function sequencePairs(
  service: Pick<ServicePlan, 'schema' | 'schemaMap' | 'translated'>,
): readonly SequencePair[] {
  const back = Object.fromEntries(Object.entries(service.schemaMap).map(([from, to]) => [to, from]));
  return service.schema.sequences.map(({ id }) => {
    const { schema, name } = parseRelationId(id);
    return {
      legacy: service.translated?.sequences[id] ?? relationId(back[schema] ?? schema, name),
      target: id,
    };
  });
}
