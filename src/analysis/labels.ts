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

/** Candidates in order of preference; the caller takes the first that is free, so that the rest need not be made. */
export function* labelCandidates(group: LabelInput): Generator<Label> {
  const first = new Map<string, number>();
  for (const { tokens } of group.relations)
    if (tokens[0] !== undefined) first.set(tokens[0], (first.get(tokens[0]) ?? 0) + 1);
  const count = group.relations.length;
  const words = [...first].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const central = group.relations
    .map((relation, at) => ({ relation, pull: group.pull[at] ?? 0 }))
    .sort((a, b) => b.pull - a.pull || (a.relation.id < b.relation.id ? -1 : 1));
  for (const [word, number] of words)
    if (number >= SHARED * count && number > 1)
      yield {
        name: serviceName([word]),
        reason: `${number} of its ${count} relations begin with "${word}"`,
      };
  for (const { relation } of central)
    yield { name: serviceName(splitName(relation.name)), reason: `${relation.name} is its centre` };
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
  groups: readonly { readonly fixed?: string; readonly candidates: Iterable<Label> }[],
): readonly Label[] {
  const taken = new Set(groups.flatMap((group) => (group.fixed === undefined ? [] : [group.fixed])));
  // Numbers up to here are taken: a thousand groups of one name do not try them all again.
  const tried = new Map<string, number>();
  return groups.map(({ fixed, candidates }) => {
    if (fixed !== undefined) return { name: fixed, reason: 'named in dbps.yaml' };
    let first: Label | undefined;
    for (const candidate of candidates) {
      first ??= candidate;
      if (taken.has(candidate.name)) continue;
      taken.add(candidate.name);
      return candidate;
    }
    const stem = first?.name ?? 'service';
    let number = tried.get(stem) ?? 2;
    while (taken.has(`${stem}_${number}`)) number += 1;
    tried.set(stem, number);
    taken.add(`${stem}_${number}`);
    return { name: `${stem}_${number}`, reason: first?.reason ?? 'no name in common' };
  });
}
