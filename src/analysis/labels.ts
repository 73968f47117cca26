/** Names for services: the words that its relations share, else its central relation. */
import type { RelationId } from '../model/relation-id.js';
import { splitName } from './names.js';

export interface Label {
  readonly name: string;
  readonly reason: string;
}

export interface LabelInput {
  readonly relations: readonly {
    readonly id: RelationId;
    readonly name: string;
    readonly tokens: readonly string[];
  }[];
  /** Weight that flows into each relation from others of the group. */
  readonly pull: readonly number[];
}

/** Share of a group's relations that must begin with a word for the group to be named after it. */
const SHARED = 0.5;

/** Candidates in order of preference; the caller takes the first that is free. */
export function labelCandidates(group: LabelInput): readonly Label[] {
  const first = new Map<string, number>();
  for (const { tokens } of group.relations)
    if (tokens[0] !== undefined) first.set(tokens[0], (first.get(tokens[0]) ?? 0) + 1);
  const count = group.relations.length;
  const words = [...first].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const central = group.relations
    .map((relation, at) => ({ relation, pull: group.pull[at] ?? 0 }))
    .sort((a, b) => b.pull - a.pull || (a.relation.id < b.relation.id ? -1 : 1));
  const candidates: Label[] = [];
  for (const [word, number] of words)
    if (number >= SHARED * count && number > 1)
      candidates.push({
        name: serviceName([word]),
        reason: `${number} of its ${count} relations begin with "${word}"`,
      });
  for (const { relation } of central)
    candidates.push({
      name: serviceName(splitName(relation.name)),
      reason: `${relation.name} is its centre`,
    });
  return candidates;
}

/** What a name in dbps.yaml may be made of. */
export function serviceName(words: readonly string[]): string {
  const name = words
    .join('_')
    .normalize('NFKD')
    .replaceAll(/[^a-z0-9_]/g, '')
    .replace(/^[^a-z]+/, '');
  return name === '' ? 'service' : name.slice(0, 40);
}

export function freeLabels(
  groups: readonly { readonly fixed?: string; readonly candidates: readonly Label[] }[],
): readonly Label[] {
  const taken = new Set(groups.flatMap((group) => (group.fixed === undefined ? [] : [group.fixed])));
  return groups.map(({ fixed, candidates }) => {
    if (fixed !== undefined) return { name: fixed, reason: 'named in dbps.yaml' };
    const free = candidates.find((candidate) => !taken.has(candidate.name));
    let name = free?.name ?? candidates[0]?.name ?? 'service';
    for (let number = 2; taken.has(name); number += 1) name = `${candidates[0]?.name ?? 'service'}_${number}`;
    taken.add(name);
    return { name, reason: free?.reason ?? candidates[0]?.reason ?? 'no name in common' };
  });
}
