/** Each relation's nearest few by the words of its name and by its columns: weak evidence that no reference gives. */
import type { Relation } from '../model/database-schema.js';
import type { Names } from './names.js';
import { singular, splitName } from './names.js';
import { isHousekeeping } from './relation-facts.js';
import { nameSimilarity, WEIGHTS } from './weights.js';

export interface Similar {
  readonly a: number;
  readonly b: number;
  /** 0..1 */
  readonly similarity: number;
}

/** A word or column on more than this share of relations ties nothing (but four always may). */
const TOO_COMMON = 0.08;
/** Pairs that one word may make: a bound on time for schemas with thousands of relations. */
const MOST_SHARING = 200;
const LEAST_ALIKE = 0.1;

export function similarNames(relations: readonly Relation[], names: Names): readonly Similar[] {
  const tokens = relations.map((relation) => names.tokens.get(relation.id) ?? []);
  const pairs = new Map<number, number>();
  for (const sharing of postings(tokens, MOST_SHARING).values())
    eachPair(sharing, (a, b) => {
      const key = a * relations.length + b;
      if (pairs.has(key)) return;
      pairs.set(key, nameSimilarity(tokens[a] ?? [], tokens[b] ?? [], names.idf));
    });
  return nearest(relations.length, pairs, LEAST_ALIKE);
}

export function similarColumns(relations: readonly Relation[]): readonly Similar[] {
  const count = relations.length;
  const columns = relations.map((relation) => [
    ...new Set(
      relation.columns
        .filter((column) => !isHousekeeping(column.name))
        .map((column) => splitName(column.name).map(singular).join('_')),
    ),
  ]);
  const frequency = new Map<string, number>();
  for (const list of columns)
    for (const column of list) frequency.set(column, (frequency.get(column) ?? 0) + 1);
  const weight = (column: string): number => Math.log(count / (frequency.get(column) ?? 1)) ** 2;
  const norms = columns.map((list) => Math.sqrt(list.reduce((sum, column) => sum + weight(column), 0)) || 1);
  const limit = Math.min(MOST_SHARING, Math.max(4, count * TOO_COMMON));
  const pairs = new Map<number, number>();
  for (const [column, sharing] of postings(columns, limit))
    eachPair(sharing, (a, b) => {
      const key = a * count + b;
      const share = weight(column) / ((norms[a] as number) * (norms[b] as number));
      pairs.set(key, (pairs.get(key) ?? 0) + share);
    });
  return nearest(count, pairs, 0);
}

/** Word → relations that have it, words of one relation or of too many left out. */
function postings(lists: readonly (readonly string[])[], limit: number): Map<string, number[]> {
  const found = new Map<string, number[]>();
  lists.forEach((list, index) => {
    for (const word of new Set(list)) {
      const sharing = found.get(word);
      if (sharing === undefined) found.set(word, [index]);
      else sharing.push(index);
    }
  });
  for (const [word, sharing] of found) if (sharing.length < 2 || sharing.length > limit) found.delete(word);
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function eachPair(list: readonly number[], visit: (a: number, b: number) => void): void {
  for (let i = 0; i < list.length; i += 1)
    for (let j = i + 1; j < list.length; j += 1) visit(list[i] as number, list[j] as number);
}

/** Pairs in which one is among the other's nearest few. */
function nearest(count: number, pairs: ReadonlyMap<number, number>, least: number): Similar[] {
  const neighbours = Array.from({ length: count }, () => [] as { other: number; similarity: number }[]);
  for (const [key, similarity] of pairs) {
    if (similarity <= least) continue;
    const a = Math.floor(key / count);
    const b = key % count;
    neighbours[a]?.push({ other: b, similarity });
    neighbours[b]?.push({ other: a, similarity });
  }
  const kept = new Map<number, Similar>();
  neighbours.forEach((list, index) => {
    list.sort((x, y) => y.similarity - x.similarity || x.other - y.other);
    for (const { other, similarity } of list.slice(0, WEIGHTS.mostSimilar)) {
      const a = Math.min(index, other);
      const b = Math.max(index, other);
      kept.set(a * count + b, { a, b, similarity });
    }
  });
  return [...kept.values()].sort((x, y) => x.a - y.a || x.b - y.b);
}
