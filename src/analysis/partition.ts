/** From evidence to groups of relations: consensus of many runs, small groups merged, oversized ones cut, pins obeyed. */
import { seekConsensus, renumber } from './consensus.js';
import type { Evidence } from './evidence.js';
import { communities, identityOf, weightedGraph, type WeightedGraph } from './modularity.js';
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
  /** Fewer runs for a rougher answer. */
  readonly runs?: number;
}

type Edge = readonly [from: number, to: number, weight: number];

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
  const edges: Edge[] = evidence.edges
    .map((edge) => [pins.nodeOf[edge.a] as number, pins.nodeOf[edge.b] as number, edge.weight] as const)
    .filter(([from, to]) => from !== to);
  const tied = new Set<number>();
  for (const { a, b } of evidence.edges) {
    tied.add(a);
    tied.add(b);
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

function agreement(
  groupOf: readonly number[],
  groups: readonly (readonly number[])[],
  runs: readonly (readonly number[])[],
  pinned: ReadonlySet<number>,
): Pick<Grouping, 'confidence' | 'runnerUp'> {
  // Members of each group by a run's label: relations under one label share them.
  const tallies = runs.map((labels) => {
    const byLabel = new Map<number, Map<number, number>>();
    groupOf.forEach((group, at) => {
      if (group === -1) return;
      const label = labels[at] as number;
      let counts = byLabel.get(label);
      if (counts === undefined) byLabel.set(label, (counts = new Map<number, number>()));
      counts.set(group, (counts.get(group) ?? 0) + 1);
    });
    return new Map(
      [...byLabel].map(([label, counts]) => [
        label,
        { groups: [...counts.keys()], counts: [...counts.values()] },
      ]),
    );
  });
  const confidence: number[] = [];
  const runnerUp: Grouping['runnerUp'][number][] = [];
  const sums = new Float64Array(groups.length);
  groupOf.forEach((group, at) => {
    const seen: number[] = [];
    if (group !== -1)
      runs.forEach((labels, run) => {
        const tally = tallies[run]?.get(labels[at] as number);
        tally?.groups.forEach((other, place) => {
          const size = (groups[other] as readonly number[]).length;
          const number = tally.counts[place] as number;
          const share = other === group ? (size === 1 ? 1 : (number - 1) / (size - 1)) : number / size;
          if (sums[other] === 0) seen.push(other);
          sums[other]! += share / runs.length;
        });
      });
    confidence.push(group === -1 ? 0 : pinned.has(at) ? 1 : sums[group]!);
    let best: { group: number; share: number } | null = null;
    for (const other of seen) {
      const share = sums[other]!;
      sums[other] = 0;
      if (
        other !== group &&
        (best === null || share > best.share || (share === best.share && other < best.group))
      )
        best = { group: other, share };
    }
    runnerUp.push(best !== null && best.share > 0 ? best : null);
  });
  return { confidence, runnerUp };
}

/** Groups of nodes with the weights between them, kept up to date while groups merge and split. */
class Clusters {
  private of: number[];
  private next: number;
  private size = new Map<number, number>();
  private between = new Map<number, Map<number, number>>();
  private apart = new Map<number, Set<number>>();

  constructor(
    groups: readonly number[],
    private readonly sizes: readonly number[],
    private readonly edges: readonly Edge[],
    private readonly pins: ResolvedPins,
    private readonly identity: Uint32Array,
  ) {
    this.of = renumber(groups);
    this.next = Math.max(-1, ...this.of) + 1;
    this.rebuild();
  }

  labels(): readonly number[] {
    return this.of;
  }

  private rebuild(): void {
    this.size = new Map();
    this.of.forEach((label, node) =>
      this.size.set(label, (this.size.get(label) ?? 0) + (this.sizes[node] as number)),
    );
    this.between = new Map([...this.size.keys()].map((label) => [label, new Map<number, number>()]));
    for (const [from, to, weight] of this.edges) {
      const a = this.of[from] as number;
      const b = this.of[to] as number;
      if (a === b) continue;
      this.between.get(a)?.set(b, (this.between.get(a)?.get(b) ?? 0) + weight);
      this.between.get(b)?.set(a, (this.between.get(b)?.get(a) ?? 0) + weight);
    }
    this.apart = new Map();
    for (const [x, y] of this.pins.apart) {
      const a = this.of[x] as number;
      const b = this.of[y] as number;
      this.apart.set(a, (this.apart.get(a) ?? new Set()).add(b));
      this.apart.set(b, (this.apart.get(b) ?? new Set()).add(a));
    }
  }

  private merge(from: number, into: number): void {
    this.of = this.of.map((label) => (label === from ? into : label));
    this.size.set(into, (this.size.get(into) ?? 0) + (this.size.get(from) ?? 0));
    this.size.delete(from);
    for (const [other, weight] of this.between.get(from) ?? []) {
      this.between.get(other)?.delete(from);
      if (other === into) continue;
      this.between.get(into)?.set(other, (this.between.get(into)?.get(other) ?? 0) + weight);
      this.between.get(other)?.set(into, (this.between.get(other)?.get(into) ?? 0) + weight);
    }
    this.between.delete(from);
    for (const other of this.apart.get(from) ?? []) {
      this.apart.get(other)?.delete(from);
      this.apart.get(other)?.add(into);
      this.apart.set(into, (this.apart.get(into) ?? new Set()).add(other));
    }
    this.apart.delete(from);
  }

  private isPinned(label: number): boolean {
    return [...this.pins.serviceOf.keys()].some((node) => this.of[node] === label);
  }

  /** The neighbour with the largest weight for its size that it may join. */
  private bestNeighbour(label: number, cap: number): number | undefined {
    let best: number | undefined;
    let most = 0;
    const size = this.size.get(label) ?? 0;
    for (const [other, weight] of [...(this.between.get(label) ?? [])].sort(([a], [b]) => a - b)) {
      const otherSize = this.size.get(other) ?? 1;
      if (this.apart.get(label)?.has(other) === true || size + otherSize > cap) continue;
      const value = weight / Math.sqrt(otherSize);
      if (value > most + 1e-9) {
        most = value;
        best = other;
      }
    }
    return best;
  }

  /** Groups named by the user stay, however small. */
  mergeSmallerThan(fewest: number, cap: number): void {
    const stuck = new Set<number>();
    for (;;) {
      const small = [...this.size]
        .filter(([label, size]) => size < fewest && !stuck.has(label) && !this.isPinned(label))
        .sort(([a, x], [b, y]) => x - y || a - b)[0]?.[0];
      if (small === undefined) return;
      const into = this.bestNeighbour(small, cap);
      if (into === undefined) stuck.add(small);
      else this.merge(small, into);
    }
  }

  cutLargerThan(cap: number, resolution: number): void {
    for (;;) {
      const large = [...this.size].filter(([, size]) => size > cap).sort(([a], [b]) => a - b);
      const cut = large.find(([label]) => this.split(label, resolution));
      if (cut === undefined) return;
    }
  }

  /** Parts a group with a finer and finer glass until it falls apart. @returns false when it never does. */
  private split(label: number, resolution: number): boolean {
    const nodes = this.of.flatMap((own, node) => (own === label ? [node] : []));
    if (nodes.length < 2) return false;
    const place = new Map(nodes.map((node, at) => [node, at]));
    const inside = this.edges.flatMap(([from, to, weight]) => {
      const a = place.get(from);
      const b = place.get(to);
      return a === undefined || b === undefined ? [] : [[a, b, weight] as const];
    });
    const graph = weightedGraph(
      Uint32Array.from(nodes, (node) => this.identity[node] as number),
      inside,
    );
    for (let glass = Math.max(resolution, 0.5); glass < 64; glass *= 1.3) {
      const parts = communities(graph, { resolution: glass, seed: 1 });
      const pieces = Math.max(...parts) + 1;
      if (pieces < 2) continue;
      parts.forEach((part, at) => {
        if (part > 0) this.of[nodes[at] as number] = this.next + part - 1;
      });
      this.next += pieces - 1;
      this.rebuild();
      return true;
    }
    return false;
  }

  /** Exactly so many groups, as far as pins and the number of relations allow. */
  reach(services: number, resolution: number, loose: readonly number[]): void {
    const aside = new Set(loose.map((node) => this.of[node] as number));
    const wanted = services + aside.size;
    const whole = new Set(aside);
    while (this.size.size < wanted) {
      const before = new Set(this.size.keys());
      const largest = [...this.size]
        .filter(([label]) => !whole.has(label))
        .sort(([a, x], [b, y]) => y - x || a - b)[0]?.[0];
      if (largest === undefined) break;
      if (!this.split(largest, resolution)) whole.add(largest);
      else {
        // A split may give many pieces: they join again until there are two, or as many as are wanted.
        const pieces = [...this.size.keys()].filter((label) => label === largest || !before.has(label));
        while (pieces.length > 2 && this.size.size > wanted) {
          const smallest = pieces
            .sort((a, b) => (this.size.get(a) ?? 0) - (this.size.get(b) ?? 0) || a - b)
            .shift() as number;
          const ties = this.between.get(smallest) ?? new Map<number, number>();
          const into = [...pieces].sort(
            (a, b) => (ties.get(b) ?? 0) - (ties.get(a) ?? 0) || a - b,
          )[0] as number;
          this.merge(smallest, into);
        }
      }
    }
    while (this.size.size > wanted) {
      const candidates = [...this.size]
        .filter(([label]) => !this.isPinned(label) && !aside.has(label))
        .sort(([a, x], [b, y]) => x - y || a - b);
      const found = candidates
        .map(([label]) => ({ label, into: this.bestNeighbour(label, Infinity) }))
        .find(({ into }) => into !== undefined);
      if (found?.into !== undefined) this.merge(found.label, found.into);
      else {
        const [from, into] = candidates.map(([label]) => label);
        if (from === undefined || into === undefined || this.apart.get(from)?.has(into) === true) return;
        this.merge(from, into);
      }
    }
  }
}
