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
  const low: number[] = [];
  const high: number[] = [];
  const given: number[] = [];
  for (const edge of edges)
    if (edge[0] !== edge[1] && edge[2] > 0) {
      low.push(Math.min(edge[0], edge[1]));
      high.push(Math.max(edge[0], edge[1]));
      given.push(edge[2]);
    }
  // Sorted by both ends, and each pair's weights by size: sums come out the same whatever order evidence came in.
  const order = sortedBy(low, size, sortedBy(high, size, Int32Array.from(low.keys())));
  const offsets = new Int32Array(size + 1);
  let pairs = 0;
  for (let start = 0; start < order.length;) {
    const from = low[order[start]!]!;
    const to = high[order[start]!]!;
    let end = start + 1;
    while (end < order.length && low[order[end]!] === from && high[order[end]!] === to) end += 1;
    let weight = given[order[start]!]!;
    if (end > start + 1)
      weight = Array.from(order.subarray(start, end), (at) => given[at]!)
        .sort((a, b) => a - b)
        .reduce((sum, one) => sum + one, 0);
    // What has been read is no longer needed: the pairs are kept in its place.
    order[pairs] = order[start]!;
    given[order[pairs]!] = weight;
    pairs += 1;
    offsets[from + 1]! += 1;
    offsets[to + 1]! += 1;
    start = end;
  }
  for (let node = 0; node < size; node += 1) offsets[node + 1]! += offsets[node]!;
  const next = offsets.slice();
  const targets = new Int32Array(pairs * 2);
  const weights = new Float64Array(pairs * 2);
  const twins = new Int32Array(pairs * 2);
  for (let pair = 0; pair < pairs; pair += 1) {
    const at = order[pair]!;
    const from = low[at]!;
    const to = high[at]!;
    const place = next[from]!++;
    const twin = next[to]!++;
    targets[place] = to;
    targets[twin] = from;
    weights[place] = given[at]!;
    weights[twin] = given[at]!;
    twins[place] = twin;
    twins[twin] = place;
  }
  return { size, offsets, targets, weights, twins, pairs, identity };
}

/** The places of `order` by their key (0 … keys - 1); equal keys stay as they were. */
function sortedBy(key: readonly number[], keys: number, order: Int32Array): Int32Array {
  const next = new Int32Array(keys + 1);
  for (let at = 0; at < key.length; at += 1) next[key[at]! + 1]! += 1;
  for (let at = 0; at < keys; at += 1) next[at + 1]! += next[at]!;
  const sorted = new Int32Array(order.length);
  for (let place = 0; place < order.length; place += 1) {
    const at = order[place]!;
    sorted[next[key[at]!]!++] = at;
  }
  return sorted;
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
  const { resolution } = options;
  const degree = loops.slice();
  let total = 0;
  for (let node = 0; node < size; node += 1) {
    for (let at = offsets[node]!; at < offsets[node + 1]!; at += 1) degree[node]! += weights[at]!;
    total += degree[node]!;
  }
  const community = new Int32Array(size);
  for (let node = 0; node < size; node += 1) community[node] = node;
  if (total === 0) return { moved: false, community };
  const sums = degree.slice();
  const towards = new Float64Array(size);
  // Plain loops over typed arrays: this is where the time of a large schema goes.
  const seen = new Int32Array(size);
  const order = ordered(level.identity, options.seed);
  let moved = false;
  let left = MOST_PASSES;
  for (let changed = true; changed && left > 0; left -= 1) {
    changed = false;
    for (let turn = 0; turn < size; turn += 1) {
      const node = order[turn]!;
      const own = community[node]!;
      const end = offsets[node + 1]!;
      let found = 0;
      for (let at = offsets[node]!; at < end; at += 1) {
        const target = community[targets[at]!]!;
        if (towards[target] === 0) {
          seen[found] = target;
          found += 1;
        }
        towards[target]! += weights[at]!;
      }
      const scaled = (resolution * degree[node]!) / total;
      sums[own]! -= degree[node]!;
      let best = own;
      let most = towards[own]! - scaled * sums[own]!;
      for (let place = 0; place < found; place += 1) {
        const target = seen[place]!;
        const gain = towards[target]! - scaled * sums[target]!;
        // Equal gains: the lower number, so that the order of neighbours decides nothing.
        if (gain > most + EPSILON || (gain > most - EPSILON && best !== own && target < best)) {
          best = target;
          most = gain;
        }
        towards[target] = 0;
      }
      sums[best]! += degree[node]!;
      if (best !== own) {
        community[node] = best;
        changed = true;
        moved = true;
      }
    }
  }
  return { moved, community };
}

/** More nodes than any schema has. */
const PLACES = 2 ** 20;

function ordered(identity: Uint32Array, seed: number): Int32Array {
  // Rank and place in one number (32 + 20 bits), which sorts without a comparison in JavaScript.
  const ranked = new Float64Array(identity.length);
  for (let at = 0; at < ranked.length; at += 1) ranked[at] = mix(identity[at]!, seed, 2) * PLACES + at;
  ranked.sort();
  const order = new Int32Array(ranked.length);
  for (let at = 0; at < order.length; at += 1) order[at] = ranked[at]! % PLACES;
  return order;
}

function fold(level: Level, community: Int32Array): { folded: Level; index: Int32Array } {
  const number = new Int32Array(level.size).fill(-1);
  const index = new Int32Array(level.size);
  let size = 0;
  for (let node = 0; node < level.size; node += 1) {
    const label = community[node]!;
    if (number[label] === -1) {
      number[label] = size;
      size += 1;
    }
    index[node] = number[label]!;
  }
  // Members of each folded node, one behind the other.
  const first = new Int32Array(size + 1);
  for (let node = 0; node < level.size; node += 1) first[index[node]! + 1]! += 1;
  for (let at = 0; at < size; at += 1) first[at + 1]! += first[at]!;
  const next = first.slice();
  const members = new Int32Array(level.size);
  for (let node = 0; node < level.size; node += 1) members[next[index[node]!]!++] = node;
  const identity = new Uint32Array(size).fill(0xffffffff);
  const loops = new Float64Array(size);
  const offsets = new Int32Array(size + 1);
  // No more pairs than there were.
  const targets = new Int32Array(level.targets.length);
  const weights = new Float64Array(level.targets.length);
  const towards = new Float64Array(size);
  const seen = new Int32Array(size);
  let filled = 0;
  for (let from = 0; from < size; from += 1) {
    let found = 0;
    for (let place = first[from]!; place < first[from + 1]!; place += 1) {
      const node = members[place]!;
      if (level.identity[node]! < identity[from]!) identity[from] = level.identity[node]!;
      loops[from]! += level.loops[node]!;
      for (let at = level.offsets[node]!; at < level.offsets[node + 1]!; at += 1) {
        const to = index[level.targets[at]!]!;
        if (to === from) loops[from]! += level.weights[at]!;
        else {
          if (towards[to] === 0) {
            seen[found] = to;
            found += 1;
          }
          towards[to]! += level.weights[at]!;
        }
      }
    }
    const others = seen.subarray(0, found).sort();
    for (let at = 0; at < found; at += 1) {
      const to = others[at]!;
      targets[filled] = to;
      weights[filled] = towards[to]!;
      towards[to] = 0;
      filled += 1;
    }
    offsets[from + 1] = filled;
  }
  return {
    folded: {
      size,
      offsets,
      targets: targets.slice(0, filled),
      weights: weights.slice(0, filled),
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
