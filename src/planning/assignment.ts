/** Which service owns each relation with rows. One relation, one owner: two or none is the user's to decide, not dbps's. */
import picomatch from 'picomatch';
import { isOwnable, type DatabaseSchema, type Relation } from '../model/database-schema.js';
import { ConfigError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';
import type { Boundaries, Place, PlacedRelation } from './boundaries.js';

export interface Assignment {
  /** Tables, partitioned roots, and everything below them. */
  readonly serviceOf: ReadonlyMap<RelationId, string>;
  /** Relations that stay in the shared database because they are excluded. */
  readonly excluded: ReadonlySet<RelationId>;
  /** Views that were named in dbps.yaml. */
  readonly namedViews: ReadonlyMap<RelationId, string>;
}

const at = (place: Place | undefined): string =>
  place === undefined ? '' : ` (${place.file}:${place.line})`;

function fail(code: string, message: string, hint: string, location: Place | undefined): never {
  throw new ConfigError({ code, message, hint, ...(location !== undefined && { location }) });
}

/** The top of a partition or inheritance tree. */
export function rootOf(byId: ReadonlyMap<RelationId, Relation>, relation: Relation): Relation {
  const parent = byId.get(relation.partitionOf?.parent ?? relation.inherits[0] ?? '');
  return parent === undefined ? relation : rootOf(byId, parent);
}

function nearest(name: string, candidates: readonly string[]): string | undefined {
  const distance = (a: string, b: string): number => {
    const row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i++) {
      let diagonal = row[0] as number;
      row[0] = i;
      for (let j = 1; j <= b.length; j++) {
        const above = row[j] as number;
        row[j] = Math.min(above + 1, (row[j - 1] as number) + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1));
        diagonal = above;
      }
    }
    return row[b.length] as number;
  };
  const [best] = candidates
    .map((candidate) => ({ candidate, d: distance(name, candidate) }))
    .sort((a, b) => a.d - b.d);
  return best !== undefined && best.d <= Math.max(2, name.length / 3) ? best.candidate : undefined;
}

export function assignRelations(schema: DatabaseSchema, boundaries: Boundaries): Assignment {
  const byId = new Map(schema.relations.map((relation) => [relation.id, relation]));
  const isExcluded = boundaries.exclude.length === 0 ? () => false : picomatch([...boundaries.exclude]);
  const excluded = new Set(
    schema.relations
      .filter((relation) => {
        const root = rootOf(byId, relation);
        return (
          isExcluded(root.name) || isExcluded(root.id) || isExcluded(relation.name) || isExcluded(relation.id)
        );
      })
      .map((relation) => relation.id),
  );

  const said: { readonly relation: PlacedRelation; readonly service: string }[] = boundaries.services.flatMap(
    (service) => service.relations.map((relation) => ({ relation, service: service.name })),
  );
  for (const entry of boundaries.shared) {
    const owner = entry.owner;
    if (owner === null) {
      fail(
        'DBPS_E223',
        `shared relations ${entry.relations.map((relation) => relation.id).join(', ')} have no owner`,
        'name the service that owns them: owner: <service>',
        entry.location,
      );
    }
    if (!boundaries.services.some((service) => service.name === owner))
      fail(
        'DBPS_E223',
        `shared relations are owned by "${owner}", which is no service`,
        'name one of services:',
        entry.location,
      );
    said.push(...entry.relations.map((relation) => ({ relation, service: owner })));
  }

  const serviceOf = new Map<RelationId, string>();
  const namedViews = new Map<RelationId, string>();
  const places = new Map<RelationId, { readonly service: string; readonly place: Place | undefined }>();
  for (const {
    relation: { id, location },
    service,
  } of said) {
    const relation = byId.get(id);
    if (relation === undefined) {
      const near = nearest(id, [...byId.keys()]);
      fail(
        'DBPS_E222',
        `${service} owns "${id}", which is not in the database`,
        near === undefined
          ? 'check the name, source.schemas, and the database in source.url'
          : `did you mean ${near}?`,
        location,
      );
    }
    if (excluded.has(id))
      fail(
        'DBPS_E222',
        `${service} owns "${id}", which source.exclude leaves out`,
        'take it out of one of the two',
        location,
      );
    const before = places.get(id);
    if (before !== undefined && before.service !== service)
      fail(
        'DBPS_E220',
        `${id} is in two services: ${before.service}${at(before.place)} and ${service}${at(location)}`,
        'leave it in one of them',
        location,
      );
    places.set(id, { service, place: location });
    if (relation.kind === 'view' || relation.kind === 'materialized-view') {
      namedViews.set(id, service);
      continue;
    }
    const root = rootOf(byId, relation);
    const rootService = places.get(root.id)?.service;
    if (rootService !== undefined && rootService !== service)
      fail(
        'DBPS_E220',
        `${id} belongs to ${root.id}, which is in ${rootService}: partitions and inheritance children follow their root`,
        `leave ${id} out`,
        location,
      );
    serviceOf.set(id, service);
  }

  // Everything below a root follows it, named or not; a root whose child alone was named gets its service too.
  for (const relation of schema.relations) {
    if (!isOwnable(relation) && relation.kind !== 'partition') continue;
    const root = rootOf(byId, relation);
    const service = serviceOf.get(root.id) ?? serviceOf.get(relation.id);
    if (service === undefined) continue;
    serviceOf.set(root.id, service);
    const own = serviceOf.get(relation.id);
    if (own !== undefined && own !== service)
      fail(
        'DBPS_E220',
        `${relation.id} is in ${own}, its root ${root.id} in ${service}: partitions and inheritance children follow their root`,
        `leave ${relation.id} out`,
        places.get(relation.id)?.place,
      );
    serviceOf.set(relation.id, service);
  }

  const homeless = schema.relations.filter(
    (relation) => isOwnable(relation) && !serviceOf.has(relation.id) && !excluded.has(relation.id),
  );
  if (homeless.length > 0) {
    const names = homeless.map((relation) => relation.id);
    const shown = names.slice(0, 10).join(', ') + (names.length > 10 ? ` and ${names.length - 10} more` : '');
    fail(
      'DBPS_E221',
      `${names.length === 1 ? `${shown} is` : `${shown} are`} in no service`,
      'add to a service, or to source.exclude what stays in the shared database',
      boundaries.services.at(-1)?.location,
    );
  }
  return { serviceOf, excluded, namedViews };
}
