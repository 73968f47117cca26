/** What differs between two plans, or between a plan and one made from the database as it is now (drift). */
import { compareShapes, type ShapeDifference } from '../model/fingerprint.js';
import type { CrossingReference, Plan, ServicePlan } from '../model/plan.js';
import { compareSchemas } from '../model/schema-comparison.js';

export interface PlanDifference {
  /** null: about the plan as a whole. */
  readonly service: string | null;
  /** `table public.orders`, `reference orders.user_id -> users.id`, `service billing`. */
  readonly object: string;
  readonly what: 'added' | 'removed' | 'changed' | 'moved';
  readonly detail: string;
  /** What it means for rows already copied; null where it means nothing. */
  readonly effect: ShapeDifference['effect'] | null;
}

function ownerOf(plan: Plan): ReadonlyMap<string, string> {
  return new Map(
    plan.services
      // Copies leave their relations with the owner.
      .filter((service) => service.copies === undefined)
      .flatMap((service) => service.relations.map((id) => [id, service.name] as const)),
  );
}

function compareServices(before: ServicePlan, after: ServicePlan): readonly PlanDifference[] {
  const shapes = compareShapes(before.schema, after.schema, [
    ...new Set(
      [...before.schema.relations, ...after.schema.relations]
        .filter((r) => r.kind === 'table' || r.kind === 'partitioned')
        .map((r) => r.id),
    ),
  ]);
  const differences: PlanDifference[] = shapes.map((shape) => ({
    service: after.name,
    object: shape.relation,
    what: 'changed',
    detail: shape.what,
    effect: shape.effect,
  }));
  const told = new Set(shapes.map((shape) => shape.relation));
  for (const { object, what, detail } of compareSchemas(before.schema, after.schema)) {
    // The shape's own words are better than a path into the model.
    if (what === 'different' && told.has(object.slice(object.indexOf(' ') + 1))) continue;
    differences.push({
      service: after.name,
      object,
      what: what === 'missing' ? 'removed' : what === 'unexpected' ? 'added' : 'changed',
      detail,
      effect: null,
    });
  }
  for (const key of ['targetEngine', 'schemaMap'] as const)
    if (JSON.stringify(before[key]) !== JSON.stringify(after[key]))
      differences.push({
        service: after.name,
        object: `service ${after.name}`,
        what: 'changed',
        detail: `${key}: ${JSON.stringify(before[key])} <> ${JSON.stringify(after[key])}`,
        effect: 'recopy',
      });
  return differences;
}

const referenceKey = (crossing: CrossingReference): string => `${crossing.label} (${crossing.origin})`;

/** Empty exactly when both plans would do the same. */
export function comparePlans(before: Plan, after: Plan): readonly PlanDifference[] {
  if (before.hash === after.hash) return [];
  const differences: PlanDifference[] = [];
  const newServices = new Map(after.services.map((service) => [service.name, service]));
  for (const service of before.services) {
    const now = newServices.get(service.name);
    newServices.delete(service.name);
    if (now === undefined)
      differences.push({
        service: service.name,
        object: `service ${service.name}`,
        what: 'removed',
        detail: '',
        effect: null,
      });
    else differences.push(...compareServices(service, now));
  }
  for (const service of newServices.values())
    differences.push({
      service: service.name,
      object: `service ${service.name}`,
      what: 'added',
      detail: service.relations.join(', '),
      effect: null,
    });
  const owners = ownerOf(after);
  for (const [id, service] of ownerOf(before)) {
    const now = owners.get(id);
    if (now !== undefined && now !== service)
      differences.push({
        service: now,
        object: `table ${id}`,
        what: 'moved',
        detail: `from ${service} to ${now}`,
        effect: 'recopy',
      });
  }
  const references = new Map(after.crossings.map((crossing) => [referenceKey(crossing), crossing]));
  for (const crossing of before.crossings) {
    const now = references.get(referenceKey(crossing));
    references.delete(referenceKey(crossing));
    const object = `reference ${crossing.label}`;
    if (now === undefined)
      differences.push({
        service: crossing.childService,
        object,
        what: 'removed',
        detail: 'no longer crosses',
        effect: null,
      });
    else if (
      now.onDelete !== crossing.onDelete ||
      now.foreignKey?.definition !== crossing.foreignKey?.definition
    )
      differences.push({
        service: crossing.childService,
        object,
        what: 'changed',
        detail:
          `${crossing.foreignKey?.definition ?? ''} ${crossing.onDelete} <> ${now.foreignKey?.definition ?? ''} ${now.onDelete}`.trim(),
        effect: null,
      });
  }
  for (const crossing of references.values())
    differences.push({
      service: crossing.childService,
      object: `reference ${crossing.label}`,
      what: 'added',
      detail: 'crosses a boundary',
      effect: null,
    });
  const order = (plan: Plan) => plan.services.map((service) => service.name).join(', ');
  if (order(before) !== order(after) && differences.length === 0)
    differences.push({
      service: null,
      object: 'order of services',
      what: 'changed',
      detail: `${order(before)} <> ${order(after)}`,
      effect: null,
    });
  if (differences.length === 0)
    differences.push({
      service: null,
      object: 'findings',
      what: 'changed',
      detail: 'what dbps has to say about the split changed',
      effect: null,
    });
  return differences;
}

/**
 * Differences without those that dbps made itself: once a service's writes have moved, crossing keys are gone from the shared
 * database, and in the end the relations too.
 */
export function withoutOwnChanges(
  differences: readonly PlanDifference[],
  before: Plan,
  moved: readonly string[],
): readonly PlanDifference[] {
  const parted = new Set(
    before.crossings
      .filter(
        (crossing) =>
          moved.includes(crossing.childService ?? '') || moved.includes(crossing.parentService ?? ''),
      )
      .map((crossing) => `reference ${crossing.label}`),
  );
  // With the key that a cutover takes away goes what said that copies are wanted; they stay for as long as nobody takes them away.
  const copies = new Set(
    before.services
      .filter(
        ({ copies: of }) =>
          of !== undefined && [of.reader, ...Object.values(of.owners)].some((name) => moved.includes(name)),
      )
      .map(({ name }) => name),
  );
  return differences.filter(
    (difference) =>
      !(difference.what === 'removed' && copies.has(difference.service ?? '')) &&
      !moved.includes(difference.service ?? '') &&
      !parted.has(difference.object) &&
      // Which parents are left decides the order, and findings tell of what is gone.
      (moved.length === 0 || difference.service !== null),
  );
}
