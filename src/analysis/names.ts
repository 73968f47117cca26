/**
 * What names say. A relation's name is cut into words (underscores, camel case, glued words), in the singular; words
 * that every name carries say nothing; and in some schemas the first word is the module's name.
 */
import pluralize from 'pluralize';
import type { RelationId } from '../model/relation-id.js';
import { COMMON_WORDS } from './words.js';

export interface NamedRelation {
  readonly id: RelationId;
  readonly name: string;
  readonly columns: readonly { readonly name: string }[];
}

export interface Names {
  readonly tokens: ReadonlyMap<RelationId, readonly string[]>;
  /** Rare words tie relations together, common ones do not: log(n / relations with the word), at least 0. */
  readonly idf: (token: string) => number;
  /** The first word is the module: most relations sit in first-word groups whose word is no relation itself. */
  readonly hasModulePrefixes: boolean;
  /** First words dropped because most relations begin with them (`wp_`, `tbl_`). */
  readonly dropped: readonly string[];
}

const singulars = new Map<string, string>();

/** `orders` → `order`; words that only look like plurals stay. */
export function singular(word: string): string {
  let found = singulars.get(word);
  if (found === undefined) {
    found =
      word.length <= 3 || /(?:ss|us|is|data|media|news|series)$/.test(word) ? word : pluralize.singular(word);
    singulars.set(word, found);
  }
  return found;
}

/** Names come again and again: columns above all. Forgotten when there are very many of them. */
const splits = new Map<string, readonly string[]>();
const MOST_REMEMBERED = 200_000;

/** Underscores, camel case and digits part words. */
export function splitName(name: string): readonly string[] {
  const known = splits.get(name);
  if (known !== undefined) return known;
  if (splits.size >= MOST_REMEMBERED) splits.clear();
  const words = cutAtMarks(name);
  splits.set(name, words);
  return words;
}

/** Most names of a database: nothing but small letters, perhaps with digits, between underscores. */
const PLAIN = /^[a-z]+(?:_[a-z]+)*$/;
const PLAIN_WITH_DIGITS = /^[a-z0-9_]+$/;

function cutAtMarks(name: string): string[] {
  if (PLAIN.test(name)) return name.split('_');
  if (PLAIN_WITH_DIGITS.test(name))
    return name
      .split('_')
      .map(withoutOuterDigits)
      .filter((word) => word !== '');
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .map(withoutOuterDigits)
    .filter((word) => word !== '');
}

const withoutOuterDigits = (word: string): string => word.replace(/^\d+|\d+$/g, '');

const SHORTEST_PIECE = 3;
const LONGEST_WORD = 60;
const KNOWN_COST = 1;
/** A piece that no vocabulary has costs more the longer it is, so that known words are found inside of it. */
const unknownCost = (length: number): number => 1.2 + 0.35 * length;

/** Share of a glued word that known pieces must cover. */
const LEAST_KNOWN = 0.5;

/** Cuts a glued word into known ones by dynamic programming: fewest pieces, least unknown text. */
export function cutGlued(word: string, isKnown: (piece: string) => boolean): string[] {
  if (word.length < 2 * SHORTEST_PIECE || word.length > LONGEST_WORD) return [word];
  const best: { cost: number; from: number }[] = [{ cost: 0, from: 0 }];
  for (let end = 1; end <= word.length; end += 1) {
    let found = { cost: Infinity, from: 0 };
    for (let from = 0; from <= end - SHORTEST_PIECE; from += 1) {
      const before = best[from];
      if (before === undefined || before.cost === Infinity) continue;
      const piece = word.slice(from, end);
      const cost = before.cost + (isKnown(piece) ? KNOWN_COST : unknownCost(piece.length));
      if (cost < found.cost - 1e-9) found = { cost, from };
    }
    best[end] = found;
  }
  const pieces: string[] = [];
  for (let end = word.length; end > 0;) {
    const from = best[end]?.from ?? 0;
    pieces.unshift(word.slice(from, end));
    end = from;
  }
  // What is left over at the end is mostly an ending of the word before it (`block` `ing`): then it is one word.
  const last = pieces.at(-1);
  const known = pieces.filter(isKnown).join('').length;
  return last !== undefined && isKnown(last) && known >= LEAST_KNOWN * word.length ? pieces : [word];
}

export function readNames(relations: readonly NamedRelation[]): Names {
  const words = new Map(relations.map((relation) => [relation.id, splitName(relation.name)]));
  const vocabulary = schemaWords(relations, words);
  const cut = new Map<string, readonly string[]>();
  const cutWord = (word: string): readonly string[] => {
    let pieces = cut.get(word);
    if (pieces === undefined) {
      const isKnown = (piece: string): boolean =>
        COMMON_WORDS.has(piece) ||
        COMMON_WORDS.has(singular(piece)) ||
        (piece !== word && vocabulary.has(piece));
      pieces = [word];
      if (!COMMON_WORDS.has(word) && !COMMON_WORDS.has(singular(word))) {
        const found = cutGlued(word, isKnown);
        // A piece may be a glued name itself: `businessentity` in `businessentityaddress`.
        if (found.length > 1) pieces = found.flatMap(cutWord).map(singular);
      }
      cut.set(word, pieces);
    }
    return pieces;
  };
  const tokens = new Map<RelationId, readonly string[]>();
  for (const [id, list] of words) tokens.set(id, list.flatMap(cutWord).map(singular));
  const dropped = dropSharedFirst(tokens);

  const frequency = new Map<string, number>();
  for (const list of tokens.values())
    for (const token of new Set(list)) frequency.set(token, (frequency.get(token) ?? 0) + 1);
  const count = Math.max(1, relations.length);
  return {
    tokens,
    dropped,
    idf: (token) => Math.max(0, Math.log(count / (frequency.get(token) ?? 1))),
    hasModulePrefixes: hasModulePrefixes(tokens),
  };
}

/** Words of table and column names that stand alone somewhere: pieces that glued names may be made of. */
function schemaWords(
  relations: readonly NamedRelation[],
  words: ReadonlyMap<RelationId, readonly string[]>,
): ReadonlySet<string> {
  const found = new Set<string>();
  const add = (word: string): void => {
    if (word.length > SHORTEST_PIECE) found.add(word).add(singular(word));
  };
  for (const relation of relations) {
    for (const word of words.get(relation.id) ?? []) add(word);
    for (const column of relation.columns) {
      const parts = splitName(column.name);
      // A glued column name (`salespersonid`) is no word; a part of a written-out one is.
      if (parts.length > 1) for (const part of parts) add(part);
    }
  }
  return found;
}

const SHARED_BY_MOST = 0.5;
const PREFIX_GROUP = 3;
const IN_GROUPS = 0.75;
const PREFIX_IS_NO_RELATION = 0.6;

function firstTokenGroups(tokens: ReadonlyMap<RelationId, readonly string[]>): Map<string, RelationId[]> {
  const groups = new Map<string, RelationId[]>();
  for (const [id, list] of tokens) {
    const first = list[0];
    if (first === undefined) continue;
    const group = groups.get(first);
    if (group === undefined) groups.set(first, [id]);
    else group.push(id);
  }
  return groups;
}

function dropSharedFirst(tokens: Map<RelationId, readonly string[]>): string[] {
  const dropped: string[] = [];
  for (;;) {
    const groups = firstTokenGroups(tokens);
    const shared = [...groups].find(
      ([, ids]) => ids.length > PREFIX_GROUP && ids.length > tokens.size * SHARED_BY_MOST,
    );
    if (shared === undefined) return dropped;
    dropped.push(shared[0]);
    for (const id of shared[1]) {
      const rest = tokens.get(id)?.slice(1) ?? [];
      if (rest.length > 0) tokens.set(id, rest);
    }
    if (shared[1].every((id) => tokens.get(id)?.[0] === shared[0])) return dropped;
  }
}

function hasModulePrefixes(tokens: ReadonlyMap<RelationId, readonly string[]>): boolean {
  const whole = new Set(
    [...tokens.values()].filter((list) => list.length === 1).map((list) => list[0] as string),
  );
  let grouped = 0;
  let bare = 0;
  for (const [first, ids] of firstTokenGroups(tokens)) {
    if (ids.length < PREFIX_GROUP) continue;
    grouped += ids.length;
    if (!whole.has(first)) bare += ids.length;
  }
  return grouped >= IN_GROUPS * tokens.size && bare >= PREFIX_IS_NO_RELATION * tokens.size;
}
