/** Which settings of the dial come to the same: equal rows of figures alone do not say so. */
import type { Alternative } from '../model/analysis.js';

/** undefined: each setting proposes something of its own. */
export function sameProposals(alternatives: readonly Alternative[]): string | undefined {
  const names = new Map<string, string[]>();
  for (const alternative of alternatives) {
    const key = groupsOf(alternative);
    names.set(key, [...(names.get(key) ?? []), alternative.name]);
  }
  const same = [...names.values()].filter((list) => list.length > 1);
  const [first] = same;
  if (first === undefined) return undefined;
  if (first.length === alternatives.length)
    return `${written(first)} come to the same services: the evidence holds nothing coarser and nothing finer.`;
  return `${written(first)} come to the same services: the evidence holds nothing ${first.includes('coarse') ? 'coarser' : 'finer'}.`;
}

const groupsOf = ({ services }: Alternative): string =>
  JSON.stringify(
    services.map(({ relations }) => [...relations].sort()).sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );

const written = (names: readonly string[]): string =>
  `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
