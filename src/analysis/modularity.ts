/**
 * Louvain's method on a weighted graph: moves nodes between communities while modularity (with a resolution) grows, then
 * folds communities into nodes and goes on. Written for what the library version lacks: the same input gives the same result whatever
 * the order of edges, weights can be shaken without building the graph again, and communities are connected.
 */

/** Compressed rows: neighbours of `node` are `targets[offsets[node] … offsets[node + 1])`. Symmetric, without loops. */
export interface WeightedGraph {
  readonly size: number;
  readonly offsets: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float64Array;
  /** Where the same pair stands in the row of its other end. */
  readonly twins: Int32Array;
  readonly pairs: number;
  /**
   * A number of each node's own, from its name: chance depends on names, not on places, so that one relation or reference more
   * leaves what happens to all the others as it was.
   */
  readonly identity: Uint32Array;
}

export interface ModularityOptions {
  /** Above 1: smaller communities. */
  readonly resolution: number;
  /** Decides, with the nodes' identities, in which order they are looked at. */
  readonly seed: number;
}

/** Small fast generator (mulberry32): the same seed, the same numbers on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A graph from undirected weights: pairs are summed in a fixed order, loops and nothing-weights dropped. */
export function weightedGraph(
  identity: Uint32Array,
  edges: Iterable<readonly [from: number, to: number, weight: number]>,
): WeightedGraph {
  const size = identity.length;
  // Buckets by the lower end, each sorted by the other end and the weight: sums come out the same whatever order evidence came in.
  const buckets: { readonly to: number; readonly weight: number }[][] = Array.from(
    { length: size },
    () => [],
  );
  for (const [from, to, weight] of edges)
    if (from !== to && weight > 0) buckets[Math.min(from, to)]!.push({ to: Math.max(from, to), weight });
  const pairs: { readonly from: number; readonly to: number; readonly weight: number }[] = [];
  const offsets = new Int32Array(size + 1);
  buckets.forEach((bucket, from) => {
    bucket.sort((a, b) => a.to - b.to || a.weight - b.weight);
    for (let start = 0; start < bucket.length;) {
      const to = bucket[start]!.to;
      let weight = 0;
      for (; start < bucket.length && bucket[start]!.to === to; start += 1) weight += bucket[start]!.weight;
      pairs.push({ from, to, weight });
      offsets[from + 1]! += 1;
      offsets[to + 1]! += 1;
    }
  });
  for (let node = 0; node < size; node += 1) offsets[node + 1]! += offsets[node]!;
  const at = offsets.slice();
  const targets = new Int32Array(pairs.length * 2);
  const weights = new Float64Array(pairs.length * 2);
  const twins = new Int32Array(pairs.length * 2);
  const put = (node: number, other: number, weight: number): number => {
    const place = at[node]!;
    at[node] = place + 1;
    targets[place] = other;
    weights[place] = weight;
    return place;
  };
  for (const { from, to, weight } of pairs) {
    const place = put(from, to, weight);
    const twin = put(to, from, weight);
    twins[place] = twin;
    twins[twin] = place;
  }
  return { size, offsets, targets, weights, twins, pairs: pairs.length, identity };
}

/** FNV-1a: the identity of a name. */
export function identityOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Three numbers → one that looks random (murmur's finish). */
function mix(a: number, b: number, c: number): number {
  let hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b), 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The same graph, each weight multiplied by log-normal noise that belongs to its two ends. */
export function shake(graph: WeightedGraph, deviation: number, seed: number): WeightedGraph {
  const weights = new Float64Array(graph.weights.length);
  for (let node = 0; node < graph.size; node += 1)
    for (let at = graph.offsets[node]!; at < graph.offsets[node + 1]!; at += 1) {
      if (graph.targets[at]! < node) {
        weights[at] = weights[graph.twins[at]!]!;
        continue;
      }
      const x = graph.identity[node]!;
      const y = graph.identity[graph.targets[at]!]!;
      const pair = mix(Math.min(x, y), Math.max(x, y), seed);
      const u = (pair + 1) / 4294967297;
      const v = mix(pair, seed, 1) / 4294967296;
      weights[at] =
        graph.weights[at]! * Math.exp(deviation * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v));
    }
  return { ...graph, weights };
}

interface Level extends Omit<WeightedGraph, 'pairs' | 'twins'> {
  /** Weight inside of a folded node, counted from both ends. */
  readonly loops: Float64Array;
}

/** @returns community by node, numbered from 0 in order of first appearance. */
export function communities(graph: WeightedGraph, options: ModularityOptions): number[] {
  let level: Level = { ...graph, loops: new Float64Array(graph.size) };
  let labels = Array.from({ length: graph.size }, (_, node) => node);
  for (;;) {
    const { moved, community } = moveNodes(level, options);
    const { folded, index } = fold(level, community);
    labels = labels.map((label) => index[label]!);
    if (!moved || folded.size === level.size) break;
    level = folded;
  }
  return splitDisconnected(graph, labels);
}

const MOST_PASSES = 50;
const EPSILON = 1e-10;

function moveNodes(level: Level, options: ModularityOptions): { moved: boolean; community: Int32Array } {
  const { size, offsets, targets, weights, loops } = level;
  const degree = loops.slice();
  let total = 0;
  for (let node = 0; node < size; node += 1) {
    for (let at = offsets[node]!; at < offsets[node + 1]!; at += 1) degree[node]! += weights[at]!;
    total += degree[node]!;
  }
  const community = Int32Array.from({ length: size }, (_, node) => node);
  if (total === 0) return { moved: false, community };
  const sums = degree.slice();
  const towards = new Float64Array(size);
  const seen: number[] = [];
  const order = ordered(level.identity, options.seed);
  let moved = false;
  let left = MOST_PASSES;
  for (let changed = true; changed && left > 0; left -= 1) {
    changed = false;
    for (const node of order) {
      const own = community[node]!;
      seen.length = 0;
      for (let at = offsets[node]!; at < offsets[node + 1]!; at += 1) {
        const target = community[targets[at]!]!;
        if (towards[target] === 0) seen.push(target);
        towards[target]! += weights[at]!;
      }
      const scaled = (options.resolution * degree[node]!) / total;
      sums[own]! -= degree[node]!;
      let best = own;
      let most = towards[own]! - scaled * sums[own]!;
      for (const target of seen) {
        const gain = towards[target]! - scaled * sums[target]!;
        // Equal gains: the lower number, so that the order of neighbours decides nothing.
        if (gain > most + EPSILON || (gain > most - EPSILON && best !== own && target < best)) {
          best = target;
          most = gain;
        }
      }
      sums[best]! += degree[node]!;
      if (best !== own) {
        community[node] = best;
        changed = true;
        moved = true;
      }
      for (const target of seen) towards[target] = 0;
    }
  }
  return { moved, community };
}

/** More nodes than any schema has. */
const PLACES = 2 ** 20;

function ordered(identity: Uint32Array, seed: number): Int32Array {
  // Rank and place in one number (32 + 20 bits), which sorts without a comparison in JavaScript.
  const ranked = Float64Array.from(identity, (own, at) => mix(own, seed, 2) * PLACES + at).sort();
  return Int32Array.from(ranked, (both) => both % PLACES);
}

function fold(level: Level, community: Int32Array): { folded: Level; index: Int32Array } {
  const numbers = new Map<number, number>();
  const index = community.map((label) => {
    let number = numbers.get(label);
    if (number === undefined) numbers.set(label, (number = numbers.size));
    return number;
  });
  const size = numbers.size;
  const members: number[][] = Array.from({ length: size }, () => []);
  index.forEach((number, node) => members[number]!.push(node));
  const identity = Uint32Array.from(members, (nodes) =>
    nodes.reduce((least, node) => Math.min(least, level.identity[node]!), 0xffffffff),
  );
  const loops = new Float64Array(size);
  const offsets = new Int32Array(size + 1);
  const targets: number[] = [];
  const weights: number[] = [];
  const towards = new Float64Array(size);
  for (let from = 0; from < size; from += 1) {
    const seen: number[] = [];
    for (const node of members[from]!) {
      loops[from]! += level.loops[node]!;
      for (let at = level.offsets[node]!; at < level.offsets[node + 1]!; at += 1) {
        const to = index[level.targets[at]!]!;
        if (to === from) loops[from]! += level.weights[at]!;
        else {
          if (towards[to] === 0) seen.push(to);
          towards[to]! += level.weights[at]!;
        }
      }
    }
    for (const to of seen.sort((a, b) => a - b)) {
      targets.push(to);
      weights.push(towards[to]!);
      towards[to] = 0;
    }
    offsets[from + 1] = targets.length;
  }
  return {
    folded: {
      size,
      offsets,
      targets: Int32Array.from(targets),
      weights: Float64Array.from(weights),
      loops,
      identity,
    },
    index,
  };
}

/** Moving nodes away can leave a community in pieces: each piece becomes one of its own. */
export function splitDisconnected(graph: WeightedGraph, labels: readonly number[]): number[] {
  const out = new Array<number>(graph.size).fill(-1);
  let next = 0;
  for (let start = 0; start < graph.size; start += 1) {
    if (out[start] !== -1) continue;
    out[start] = next;
    const queue = [start];
    for (let node = queue.pop(); node !== undefined; node = queue.pop())
      for (let at = graph.offsets[node]!; at < graph.offsets[node + 1]!; at += 1) {
        const other = graph.targets[at]!;
        if (out[other] !== -1 || labels[other] !== labels[start]) continue;
        out[other] = next;
        queue.push(other);
      }
    next += 1;
  }
  return out;
}
