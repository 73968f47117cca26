/**
 * Many seeded runs over slightly shaken weights, and what they agree on. One run of a modularity method is one of many nearly equal
 * answers; how often two relations come out together is both a steadier grouping and an honest measure of how sure it is.
 */
import { communities, shake, type WeightedGraph } from './modularity.js';

export interface ConsensusOptions {
  readonly resolution: number;
  /** At most so many runs; default CONSENSUS.runs. */
  readonly runs?: number;
  /** Share of the budget, 0..1, that these runs may have; default all of it. */
  readonly share?: number;
}

export const CONSENSUS = {
  runs: 100,
  /** Standard deviation of the logarithm of the noise on each weight. */
  noise: 0.56,
  /** Share of runs, on average over their pairs, from which two groups become one. */
  agreement: 0.518,
  /** Runs look through a coarser and a finer glass too. */
  resolutions: [0.85, 1, 1.15],
  /** Distinct patterns of the runs that are compared pair by pair; more patterns than this, fewer runs. */
  mostPatterns: 2500,
  /** Pairs looked at over all runs: a bound on time for schemas of thousands of relations. */
  budget: 600_000,
  fewestRuns: 3,
} as const;

export interface Consensus {
  /** Community of each node in each run. */
  readonly runs: readonly (readonly number[])[];
  /** Group of each node, numbered by first appearance. */
  readonly groups: readonly number[];
}

export function seekConsensus(
  graph: WeightedGraph,
  apart: readonly (readonly [number, number])[],
  options: ConsensusOptions,
): Consensus {
  const { size } = graph;
  const wanted = options.runs ?? CONSENSUS.runs;
  const share = options.share ?? 1;
  const affordable = Math.floor((CONSENSUS.budget * share) / Math.max(1, graph.pairs));
  const fewest = share === 1 ? CONSENSUS.fewestRuns : 1;
  const most = Math.max(fewest, Math.min(wanted, affordable));
  const runs: number[][] = [];
  for (let run = 0; run < most; run += 1) {
    const factor = CONSENSUS.resolutions[run % CONSENSUS.resolutions.length] as number;
    runs.push(
      communities(shake(graph, CONSENSUS.noise, run), { resolution: options.resolution * factor, seed: run }),
    );
  }
  // Patterns are compared pair by pair: where that would be too many, fewer runs decide, and all tell how sure it is.
  let compared = runs.length;
  while (compared > 1 && patterns(runs.slice(0, compared), size, new Set()).count > CONSENSUS.mostPatterns)
    compared = Math.floor(compared / 2);
  return { runs, groups: link(runs.slice(0, compared), size, apart) };
}

/** Nodes that every run put together are one pattern; a node that must stay apart from another is one by itself. */
function patterns(
  runs: readonly (readonly number[])[],
  size: number,
  alone: ReadonlySet<number>,
): { of: number[]; count: number } {
  // Each run parts what the runs before it left together.
  let of = Array.from({ length: size }, (_, node) => (alone.has(node) ? node + 1 : 0));
  let count = 0;
  for (const labels of runs) {
    const numbers = new Map<number, number>();
    const most = labels.reduce((most, label) => Math.max(most, label), 0) + 1;
    of = of.map((before, node) => {
      const key = before * most + labels[node]!;
      let number = numbers.get(key);
      if (number === undefined) numbers.set(key, (number = numbers.size));
      return number;
    });
    count = numbers.size;
  }
  return { of, count };
}

/**
 * Average linkage over the share of runs that agree; pairs that must stay apart forbid their groups to join. What no run ever put together
 * cannot join, so that where there are too many patterns for one table each part that hangs together is linked by itself.
 */
function link(
  runs: readonly (readonly number[])[],
  size: number,
  apart: readonly (readonly [number, number])[],
): number[] {
  if (patterns(runs, size, new Set(apart.flat())).count <= CONSENSUS.mostPatterns)
    return linkTogether(runs, size, apart);
  const parts = everTogether(runs, size);
  const place = new Int32Array(size);
  for (const nodes of parts) nodes.forEach((node, at) => (place[node] = at));
  const partOf = new Int32Array(size);
  parts.forEach((nodes, part) => nodes.forEach((node) => (partOf[node] = part)));
  const apartIn = parts.map(() => [] as [number, number][]);
  for (const [x, y] of apart) if (partOf[x] === partOf[y]) apartIn[partOf[x]!]!.push([place[x]!, place[y]!]);
  const groups = new Array<number>(size).fill(0);
  let next = 0;
  parts.forEach((nodes, part) => {
    const found = linkTogether(
      runs.map((labels) => nodes.map((node) => labels[node]!)),
      nodes.length,
      apartIn[part]!,
    );
    let most = 0;
    found.forEach((group, at) => {
      groups[nodes[at]!] = next + group;
      most = Math.max(most, group);
    });
    next += most + 1;
  });
  return renumber(groups);
}

/** Nodes by the parts that hang together through any of the runs. */
function everTogether(runs: readonly (readonly number[])[], size: number): number[][] {
  const parent = Int32Array.from({ length: size }, (_, node) => node);
  const find = (node: number): number => {
    let root = node;
    while (parent[root] !== root) root = parent[root]!;
    for (let at = node; at !== root;) {
      const above = parent[at]!;
      parent[at] = root;
      at = above;
    }
    return root;
  };
  for (const labels of runs) {
    const first = new Int32Array(size).fill(-1);
    labels.forEach((label, node) => {
      if (first[label] === -1) first[label] = node;
      else parent[find(node)] = find(first[label]!);
    });
  }
  const parts = new Map<number, number[]>();
  for (let node = 0; node < size; node += 1) {
    const root = find(node);
    const known = parts.get(root);
    if (known === undefined) parts.set(root, [node]);
    else known.push(node);
  }
  return [...parts.values()];
}

function linkTogether(
  runs: readonly (readonly number[])[],
  size: number,
  apart: readonly (readonly [number, number])[],
): number[] {
  const { of, count } = patterns(runs, size, new Set(apart.flat()));
  const weight = new Array<number>(count).fill(0);
  const member = new Array<number>(count).fill(-1);
  of.forEach((pattern, node) => {
    weight[pattern] = (weight[pattern] as number) + 1;
    if (member[pattern] === -1) member[pattern] = node;
  });
  const agreement = Array.from({ length: count }, () => new Float32Array(count));
  // Labels of one pattern in all runs stand together: pairs of patterns are many.
  const labelsOf = new Int32Array(count * runs.length);
  for (let pattern = 0; pattern < count; pattern += 1)
    for (let run = 0; run < runs.length; run += 1)
      labelsOf[pattern * runs.length + run] = runs[run]![member[pattern]!]!;
  for (let a = 0; a < count; a += 1)
    for (let b = a + 1; b < count; b += 1) {
      let same = 0;
      const [atA, atB] = [a * runs.length, b * runs.length];
      for (let run = 0; run < runs.length; run += 1)
        if (labelsOf[atA + run] === labelsOf[atB + run]) same += 1;
      const share = same / runs.length;
      (agreement[a] as Float32Array)[b] = share;
      (agreement[b] as Float32Array)[a] = share;
    }
  for (const [x, y] of apart) {
    const a = of[x] as number;
    const b = of[y] as number;
    (agreement[a] as Float32Array)[b] = -Infinity;
    (agreement[b] as Float32Array)[a] = -Infinity;
  }
  const parent = Array.from({ length: count }, (_, pattern) => pattern);
  const alive = new Set(parent);
  const nearest = parent.map((pattern) => nearestOf(pattern, alive, agreement));
  for (;;) {
    let from = -1;
    let most = CONSENSUS.agreement - 1e-6;
    for (const pattern of alive) {
      const candidate = nearest[pattern] as { other: number; share: number };
      if (candidate.share > most + 1e-6) {
        most = candidate.share;
        from = pattern;
      }
    }
    if (from === -1) break;
    const gone = (nearest[from] as { other: number }).other;
    const a = weight[from] as number;
    const b = weight[gone] as number;
    for (const other of alive) {
      if (other === from || other === gone) continue;
      const mean =
        (((agreement[from] as Float32Array)[other] as number) * a +
          ((agreement[gone] as Float32Array)[other] as number) * b) /
        (a + b);
      (agreement[from] as Float32Array)[other] = mean;
      (agreement[other] as Float32Array)[from] = mean;
    }
    weight[from] = a + b;
    alive.delete(gone);
    parent[gone] = from;
    nearest[from] = nearestOf(from, alive, agreement);
    for (const other of alive) {
      if (other === from) continue;
      const known = nearest[other] as { other: number; share: number };
      const now = (agreement[other] as Float32Array)[from] as number;
      if (known.other === from || known.other === gone) nearest[other] = nearestOf(other, alive, agreement);
      else if (now > known.share + 1e-6) nearest[other] = { other: from, share: now };
    }
  }
  const root = (pattern: number): number => {
    let at = pattern;
    while (parent[at] !== at) at = parent[at] as number;
    return at;
  };
  return renumber(of.map(root));
}

function nearestOf(
  pattern: number,
  alive: ReadonlySet<number>,
  agreement: readonly Float32Array[],
): { other: number; share: number } {
  let other = -1;
  let share = -1;
  const row = agreement[pattern] as Float32Array;
  for (const candidate of alive)
    if (candidate !== pattern && (row[candidate] as number) > share + 1e-6) {
      other = candidate;
      share = row[candidate] as number;
    }
  return { other, share };
}

/** Labels numbered from 0 in order of first appearance. */
export function renumber(labels: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return labels.map((label) => {
    let number = numbers.get(label);
    if (number === undefined) numbers.set(label, (number = numbers.size));
    return number;
  });
}
