/** Boundaries while somebody is drawing them: moves with their price, one step back at a time. */
import type { Analysis } from './analysis.js';
import { assignmentOf, priceBoundaries, type Assignment, type BoundaryPrice } from './boundary-price.js';
import type { RelationId } from './relation-id.js';

export interface MoveChoice {
  readonly service: string;
  /** Change of the whole price if the relation stood there; negative is cheaper. */
  readonly change: number;
}

export class BoundaryDraft {
  readonly #analysis: Pick<Analysis, 'references' | 'objects' | 'services'>;
  readonly #steps: ReadonlyMap<RelationId, string>[];

  constructor(analysis: Pick<Analysis, 'references' | 'objects' | 'services'>) {
    this.#analysis = analysis;
    this.#steps = [assignmentOf(analysis)];
  }

  get assignment(): Assignment {
    return this.#steps.at(-1) ?? new Map<RelationId, string>();
  }

  get moves(): number {
    return this.#steps.length - 1;
  }

  price(): BoundaryPrice {
    return priceBoundaries(this.#analysis, this.assignment);
  }

  proposalPrice(): BoundaryPrice {
    return priceBoundaries(this.#analysis, this.#steps[0] ?? new Map());
  }

  /** By name; empty services have gone. */
  services(): ReadonlyMap<string, readonly RelationId[]> {
    const services = new Map<string, RelationId[]>();
    for (const [relation, service] of this.assignment) {
      const relations = services.get(service);
      if (relations === undefined) services.set(service, [relation]);
      else relations.push(relation);
    }
    return new Map(
      [...services]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, relations]) => [name, relations.sort()] as const),
    );
  }

  /** Every other service with what moving there would change, cheapest first. */
  choices(relation: RelationId): readonly MoveChoice[] {
    const now = this.price().price;
    const own = this.assignment.get(relation);
    return [...this.services().keys()]
      .filter((service) => service !== own)
      .map((service) => ({
        service,
        change:
          priceBoundaries(this.#analysis, new Map([...this.assignment, [relation, service]])).price - now,
      }))
      .sort((a, b) => a.change - b.change || (a.service < b.service ? -1 : 1));
  }

  move(relations: readonly RelationId[], service: string): void {
    this.#steps.push(new Map([...this.assignment, ...relations.map((id) => [id, service] as const)]));
  }

  rename(from: string, to: string): void {
    this.#steps.push(
      new Map([...this.assignment].map(([id, service]) => [id, service === from ? to : service])),
    );
  }

  /** @returns false when there is nothing to take back. */
  undo(): boolean {
    if (this.#steps.length === 1) return false;
    this.#steps.pop();
    return true;
  }
}
