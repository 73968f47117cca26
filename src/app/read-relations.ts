/** `--read-relations` names relations of the service: a route with any other name would move no reads, and nobody would be told. */
import { didYouMean } from '../config/suggest.js';
import type { TransitionParameters } from '../migration/step-context.js';
import { UsageError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';
import { parseRelationId } from '../model/relation-id.js';

/** @throws UsageError naming the first that is not the service's. A bare name will do, as it does for dbps/router. */
export function requireReadRelations(
  plan: Plan,
  service: string,
  wish: { readonly kind: string; readonly parameters?: Pick<TransitionParameters, 'readRelations'> },
): void {
  const wanted = wish.parameters?.readRelations ?? [];
  const planned = plan.services.find(({ name }) => name === service);
  if (planned === undefined || wanted.length === 0) return;
  const own = [...new Set([...planned.relations, ...planned.schema.relations.map(({ id }) => id)])];
  const names = new Set(own.flatMap((id) => [id, parseRelationId(id).name]));
  const unknown = wanted.find((name) => !names.has(name));
  if (unknown === undefined) return;
  const meant = didYouMean(unknown, [...names]);
  throw new UsageError({
    code: 'DBPS_E107',
    message: `${service} has no relation "${unknown}"${meant === undefined ? '' : `. Did you mean "${meant}"?`} (--read-relations)`,
    hint: `${service} has ${own.join(', ')}`,
  });
}
