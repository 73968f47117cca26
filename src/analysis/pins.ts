/** The user's word: services named in dbps.yaml, "together", "apart". It always wins; where it contradicts itself, that is an error. */
import type { BoundaryPins } from '../model/analysis.js';
import { UsageError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';

export interface ResolvedPins {
  /** Contracted node of each relation. */
  readonly nodeOf: readonly number[];
  readonly nodes: number;
  /** Service that a node is pinned to. */
  readonly serviceOf: ReadonlyMap<number, string>;
  readonly apart: readonly (readonly [number, number])[];
  /** Relations that something pins. */
  readonly pinned: ReadonlySet<number>;
  /** Named in a pin, but no relation that a service can own. */
  readonly unknown: readonly RelationId[];
}

/** @throws UsageError naming both pins when they contradict each other. */
export function resolvePins(
  index: ReadonlyMap<RelationId, number>,
  count: number,
  pins: BoundaryPins,
): ResolvedPins {
  const parent = Array.from({ length: count }, (_, at) => at);
  const find = (at: number): number => {
    let root = at;
    while (parent[root] !== root) root = parent[root] as number;
    return root;
  };
  const unknown = new Set<RelationId>();
  const pinned = new Set<number>();
  const placesOf = (ids: readonly RelationId[]): number[] =>
    ids.flatMap((id) => {
      const at = index.get(id);
      if (at === undefined) unknown.add(id);
      else pinned.add(at);
      return at === undefined ? [] : [at];
    });
  const join = (places: readonly number[]): void => {
    const [first, ...rest] = places;
    if (first === undefined) return;
    for (const other of rest) {
      const [a, b] = [find(first), find(other)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  };

  const services = Object.entries(pins.services).sort(([a], [b]) => (a < b ? -1 : 1));
  const claimed = new Map<number, string>();
  for (const [service, ids] of services)
    for (const at of placesOf(ids)) {
      const other = claimed.get(at);
      if (other !== undefined && other !== service)
        throw contradiction(
          `${nameOf(index, at)} is in service ${other} and in service ${service}`,
          'leave it in one of them',
        );
      claimed.set(at, service);
    }
  for (const [, ids] of services) join(placesOf(ids));
  for (const ids of pins.together) join(placesOf(ids));

  const serviceByRoot = new Map<number, { service: string; relation: number }>();
  for (const [at, service] of [...claimed].sort(([a], [b]) => a - b)) {
    const known = serviceByRoot.get(find(at));
    if (known !== undefined && known.service !== service)
      throw contradiction(
        `${nameOf(index, known.relation)} (services.${known.service}) and ${nameOf(index, at)} (services.${service}) are in different services, but "together" joins them`,
        'take one of the two out of "together", or put both into one service',
      );
    serviceByRoot.set(find(at), { service, relation: at });
  }
  const apartRoots: [number, number][] = [];
  for (const [first, second] of pins.apart) {
    const [a] = placesOf([first]);
    const [b] = placesOf([second]);
    if (a === undefined || b === undefined) continue;
    if (find(a) === find(b)) {
      const service = claimed.get(a);
      const where =
        service !== undefined && service === claimed.get(b) ? `services.${service}` : '"together"';
      throw contradiction(
        `${first} and ${second} are kept apart by "apart", but joined by ${where}`,
        'drop one of the two pins',
      );
    }
    apartRoots.push([find(a), find(b)]);
  }
  const named = [...serviceByRoot.keys()].sort((a, b) => a - b);
  named.forEach((a, at) => named.slice(at + 1).forEach((b) => apartRoots.push([a, b])));

  const numbers = new Map<number, number>();
  const nodeOf = Array.from({ length: count }, (_, at) => {
    const root = find(at);
    let number = numbers.get(root);
    if (number === undefined) numbers.set(root, (number = numbers.size));
    return number;
  });
  const node = (root: number): number => numbers.get(root) as number;
  return {
    nodeOf,
    nodes: numbers.size,
    serviceOf: new Map([...serviceByRoot].map(([root, { service }]) => [node(root), service])),
    apart: apartRoots.map(([a, b]) => [node(a), node(b)] as const),
    pinned,
    unknown: [...unknown].sort(),
  };
}

function nameOf(index: ReadonlyMap<RelationId, number>, at: number): RelationId {
  for (const [id, place] of index) if (place === at) return id;
  return String(at);
}

function contradiction(message: string, hint: string): UsageError {
  return new UsageError({
    code: 'DBPS_E150',
    message: `the boundaries given contradict each other: ${message}`,
    hint,
  });
}
