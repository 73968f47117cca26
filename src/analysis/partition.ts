/** From evidence to groups of relations: consensus of many runs, small groups merged, oversized ones cut, pins obeyed. */
import { agreement } from './agreement.js';
import { Clusters, type Edge } from './clusters.js';
import { seekConsensus } from './consensus.js';
import type { Evidence } from './evidence.js';
import { identityOf, weightedGraph, type WeightedGraph } from './modularity.js';
import type { ResolvedPins } from './pins.js';

export const PARTITION = {
  /** Modularity's resolution for 120 relations; larger schemas have larger modules. */
  resolution: 0.73,
  resolutionFor: 120,
  resolutionFalls: 0.2,
  /** Coarse (0) and fine (1) divide and multiply the resolution by up to this. */
  granularityRange: 2.5,
  /** Groups with fewer relations join the neighbour they are tied to most. */
  fewest: 3,
  /** No service holds more than this share of the relations (of schemas with at least `capFrom`). */
  largestShare: 0.4,
  capFrom: 20,
} as const;

export interface Grouping {
  /** Group of each relation; -1: nothing ties it to anything. */
  readonly groupOf: readonly number[];
  readonly groups: readonly (readonly number[])[];
  /** Service name that pins gave a group. */
  readonly pinnedName: ReadonlyMap<number, string>;
  /** Share of runs, 0..1, in which a relation stood with the others of its group. */
  readonly confidence: readonly number[];
  /** The other group that it stood with most. */
  readonly runnerUp: readonly ({ readonly group: number; readonly share: number } | null)[];
}

export interface PartitionOptions {
  readonly granularity: number;
  readonly servicesWanted?: number;
  /** At most so many runs. */
  readonly runs?: number;
  /** Share of the time of a proposal, 0..1. */
  readonly share?: number;
}

export function resolutionFor(relations: number, granularity: number): number {
  const size = (Math.max(1, relations) / PARTITION.resolutionFor) ** -PARTITION.resolutionFalls;
  return PARTITION.resolution * size * PARTITION.granularityRange ** ((granularity - 0.5) * 2);
}

/** Evidence under pins, as a graph: made once, looked at through several glasses. */
export interface PinnedGraph {
  readonly count: number;
  readonly edges: readonly Edge[];
  readonly graph: WeightedGraph;
  /** Relations that some evidence ties to another. */
  readonly tied: ReadonlySet<number>;
  readonly pins: ResolvedPins;
}

export function pinnedGraph(evidence: Evidence, pins: ResolvedPins): PinnedGraph {
  const edges: Edge[] = [];
  const tied = new Set<number>();
  for (const { a, b, weight } of evidence.edges) {
    // A word that every name has weighs nothing: it ties nothing either.
    if (weight <= 0) continue;
    tied.add(a);
    tied.add(b);
    const from = pins.nodeOf[a] as number;
    const to = pins.nodeOf[b] as number;
    if (from !== to) edges.push([from, to, weight]);
  }
  const identity = new Uint32Array(pins.nodes);
  // The first relation of a node stands for it.
  for (let at = evidence.relations.length - 1; at >= 0; at -= 1)
    identity[pins.nodeOf[at] as number] = identityOf(evidence.relations[at]?.id ?? '');
  return { count: evidence.relations.length, edges, graph: weightedGraph(identity, edges), tied, pins };
}

export function partition(
  { count, edges, graph, tied, pins }: PinnedGraph,
  options: PartitionOptions,
): Grouping {
  const resolution = resolutionFor(count, options.granularity);
  const { runs, groups } = seekConsensus(graph, pins.apart, {
    resolution,
    ...(options.runs === undefined ? {} : { runs: options.runs }),
    ...(options.share === undefined ? {} : { share: options.share }),
  });
  const sizes = new Array<number>(pins.nodes).fill(0);
  for (const node of pins.nodeOf) sizes[node] = (sizes[node] as number) + 1;

  const clusters = new Clusters(groups, sizes, edges, pins, graph.identity);
  const cap = count >= PARTITION.capFrom ? Math.floor(PARTITION.largestShare * count) : count;
  const wanted = options.servicesWanted;
  clusters.cutLargerThan(cap, resolution);
  if (wanted === undefined) clusters.mergeSmallerThan(Math.min(PARTITION.fewest, Math.ceil(count / 4)), cap);
  else {
    // What nothing ties to anything becomes no service: it does not count as one of those wanted.
    const loose = pins.nodeOf.filter((_, at) => !tied.has(at) && !pins.pinned.has(at));
    clusters.reach(wanted, resolution, loose);
  }

  const labels = clusters.labels();
  const raw = pins.nodeOf.map((node, at) =>
    tied.has(at) || pins.pinned.has(at) ? (labels[node] as number) : -1,
  );
  const order = new Map<number, number>();
  const groupOf = raw.map((label) => {
    if (label === -1) return -1;
    let number = order.get(label);
    if (number === undefined) order.set(label, (number = order.size));
    return number;
  });
  const members: number[][] = Array.from({ length: order.size }, () => []);
  groupOf.forEach((group, at) => members[group]?.push(at));
  const pinnedName = new Map<number, string>();
  for (const [node, service] of pins.serviceOf) {
    const at = pins.nodeOf.indexOf(node);
    pinnedName.set(groupOf[at] as number, service);
  }
  const perRelation = runs.map((run) => pins.nodeOf.map((node) => run[node] as number));
  return { groupOf, groups: members, pinnedName, ...agreement(groupOf, members, perRelation, pins.pinned) };
}
