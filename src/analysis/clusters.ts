/** Groups while they merge, are cut and are counted: small ones join a neighbour, oversized ones fall apart, pins are obeyed. */
import { renumber } from './consensus.js';
import { communities, weightedGraph } from './modularity.js';
import type { ResolvedPins } from './pins.js';

export type Edge = readonly [from: number, to: number, weight: number];

/** Groups of nodes with the weights between them, kept up to date while groups merge and split. */
export class Clusters {
  private of: number[];
  /** Groups that have joined another, and which: their members' numbers are mended when somebody asks. */
  private joined = new Map<number, number>();
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
    this.next = this.of.reduce((most, label) => Math.max(most, label), -1) + 1;
    this.rebuild();
  }

  labels(): readonly number[] {
    if (this.joined.size > 0) {
      this.of = this.of.map((label) => this.standing(label));
      this.joined.clear();
    }
    return this.of;
  }

  private standing(label: number): number {
    let end = label;
    for (let into = this.joined.get(end); into !== undefined; into = this.joined.get(end)) end = into;
    // Whoever stands on the way need not go it again.
    for (let at = label; at !== end;) {
      const into = this.joined.get(at) as number;
      this.joined.set(at, end);
      at = into;
    }
    return end;
  }

  private rebuild(): void {
    const of = this.labels();
    this.size = new Map();
    of.forEach((label, node) =>
      this.size.set(label, (this.size.get(label) ?? 0) + (this.sizes[node] as number)),
    );
    this.between = new Map([...this.size.keys()].map((label) => [label, new Map<number, number>()]));
    for (const edge of this.edges) {
      const a = of[edge[0]] as number;
      const b = of[edge[1]] as number;
      if (a === b) continue;
      const weight = edge[2];
      const [ofA, ofB] = [this.between.get(a), this.between.get(b)];
      ofA?.set(b, (ofA.get(b) ?? 0) + weight);
      ofB?.set(a, (ofB.get(a) ?? 0) + weight);
    }
    this.apart = new Map();
    for (const [x, y] of this.pins.apart) {
      const a = of[x] as number;
      const b = of[y] as number;
      this.apart.set(a, (this.apart.get(a) ?? new Set()).add(b));
      this.apart.set(b, (this.apart.get(b) ?? new Set()).add(a));
    }
  }

  private merge(from: number, into: number): void {
    this.joined.set(from, into);
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
    for (const node of this.pins.serviceOf.keys())
      if (this.standing(this.of[node] as number) === label) return true;
    return false;
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
    // The smallest first: what joins becomes larger than all that were looked at, so each size is gone through once.
    for (let wanted = 1; wanted < fewest; wanted += 1) {
      const small = [...this.size].flatMap(([label, size]) => (size === wanted ? [label] : []));
      for (const label of small.sort((a, b) => a - b)) {
        if (this.size.get(label) !== wanted || stuck.has(label) || this.isPinned(label)) continue;
        const into = this.bestNeighbour(label, cap);
        if (into === undefined) stuck.add(label);
        else this.merge(label, into);
      }
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
    const of = this.labels();
    const place = new Int32Array(of.length).fill(-1);
    const nodes: number[] = [];
    of.forEach((own, node) => {
      if (own === label) place[node] = nodes.push(node) - 1;
    });
    if (nodes.length < 2) return false;
    const inside: Edge[] = [];
    for (const edge of this.edges) {
      const from = place[edge[0]]!;
      const to = place[edge[1]]!;
      if (from !== -1 && to !== -1) inside.push([from, to, edge[2]]);
    }
    const graph = weightedGraph(
      Uint32Array.from(nodes, (node) => this.identity[node] as number),
      inside,
    );
    for (let glass = Math.max(resolution, 0.5); glass < 64; glass *= 1.3) {
      const parts = communities(graph, { resolution: glass, seed: 1 });
      const pieces = parts.reduce((most, part) => Math.max(most, part), 0) + 1;
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
    const of = this.labels();
    const aside = new Set(loose.map((node) => of[node] as number));
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
    // What nothing lets join anybody is not asked again until somebody has joined it.
    const stuck = new Set<number>();
    const kept = new Set(aside);
    while (this.size.size > wanted) {
      const from = this.smallest((label) => !stuck.has(label) && !kept.has(label));
      if (from === undefined) {
        const [one, other] = this.smallestTwo(kept);
        if (one === undefined || other === undefined || this.apart.get(one)?.has(other) === true) return;
        this.merge(one, other);
      } else if (this.isPinned(from)) kept.add(from);
      else {
        const into = this.bestNeighbour(from, Infinity);
        if (into === undefined) stuck.add(from);
        else {
          this.merge(from, into);
          stuck.delete(into);
        }
      }
    }
  }

  private smallestTwo(kept: ReadonlySet<number>): readonly (number | undefined)[] {
    const one = this.smallest((label) => !kept.has(label));
    return [one, this.smallest((label) => !kept.has(label) && label !== one)];
  }

  /** The smallest group, of equal ones that with the lowest number. */
  private smallest(isWanted: (label: number) => boolean): number | undefined {
    let found: number | undefined;
    let least = Infinity;
    for (const [label, size] of this.size)
      if ((size < least || (size === least && label < (found as number))) && isWanted(label)) {
        found = label;
        least = size;
      }
    return found;
  }
}
