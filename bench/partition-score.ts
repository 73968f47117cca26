/** How alike two groupings are: adjusted Rand index, normalised mutual information (arithmetic mean, = V-measure), MoJoFM. */
export interface PartitionScore {
  readonly ari: number;
  readonly nmi: number;
  /** Share of members that need not be moved or merged to turn the prediction into the truth. */
  readonly mojofm: number;
}

/** Members that the truth does not name do not count; those that the prediction does not name stand alone. */
export function scorePartition(
  predicted: ReadonlyMap<string, string>,
  truth: Readonly<Record<string, string>>,
): PartitionScore {
  const members = Object.keys(truth).sort();
  const own = members.map((member) => predicted.get(member) ?? `\u0000${member}`);
  const real = members.map((member) => truth[member] as string);
  const joint = own.map((label, at) => JSON.stringify([label, real[at]]));
  const n = members.length;
  const pairs = (labels: readonly string[]): number =>
    [...count(labels).values()].reduce((sum, x) => sum + (x * (x - 1)) / 2, 0);
  const [index, a, b] = [pairs(joint), pairs(own), pairs(real)];
  const expected = n > 1 ? (a * b) / ((n * (n - 1)) / 2) : 0;
  const most = (a + b) / 2;
  const entropy = (labels: readonly string[]): number =>
    -[...count(labels).values()].reduce((sum, x) => sum + (x / n) * Math.log(x / n), 0);
  const [hOwn, hReal, hJoint] = [entropy(own), entropy(real), entropy(joint)];
  const best = new Map<string, { size: number; group: string }>();
  for (const [key, size] of count(joint)) {
    const [label, group] = JSON.parse(key) as [string, string];
    if (size > (best.get(label)?.size ?? 0)) best.set(label, { size, group });
  }
  const pure = [...best.values()].reduce((sum, { size }) => sum + size, 0);
  const joins = best.size - new Set([...best.values()].map(({ group }) => group)).size;
  return {
    ari: most === expected ? 1 : (index - expected) / (most - expected),
    nmi: hOwn + hReal === 0 ? 1 : (2 * (hOwn + hReal - hJoint)) / (hOwn + hReal),
    mojofm: n === 0 ? 1 : 1 - (n - pure + joins) / n,
  };
}

function count(labels: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}
