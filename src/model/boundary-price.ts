/**
 * What boundaries cost, from an analysis's references and objects: the one sum that `analyze`, the interactive plan and the HTML page
 * (which computes it again in the browser) all show. A reference costs when its ends are apart; an object costs once for each service
 * beyond the first.
 */
import type { Analysis } from './analysis.js';
import type { RelationId } from './relation-id.js';

/** Service of each relation; a relation without one stands alone. */
export type Assignment = ReadonlyMap<RelationId, string>;

export interface BoundaryPrice {
  readonly price: number;
  readonly crossings: number;
}

type Priced = Pick<Analysis, 'references' | 'objects'>;

export function priceBoundaries(analysis: Priced, home: Assignment): BoundaryPrice {
  let price = 0;
  let crossings = 0;
  for (const reference of analysis.references) {
    if (serviceOf(home, reference.child) === serviceOf(home, reference.parent)) continue;
    price += reference.cost;
    crossings++;
  }
  for (const object of analysis.objects) {
    const beyond = new Set(object.relations.map((relation) => serviceOf(home, relation))).size - 1;
    if (beyond <= 0) continue;
    price += object.cost * beyond;
    crossings++;
  }
  return { price, crossings };
}

/** The services as proposed. */
export function assignmentOf(analysis: Pick<Analysis, 'services'>): Map<RelationId, string> {
  return new Map(
    analysis.services.flatMap((service) => service.relations.map((id) => [id, service.name] as const)),
  );
}

const serviceOf = (home: Assignment, relation: RelationId): string =>
  home.get(relation) ?? `\u0000${relation}`;
