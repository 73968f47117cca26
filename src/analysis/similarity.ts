/** Each relation's nearest few by the words of its name and by its columns: weak evidence that no reference gives. */
import type { Relation } from '../model/database-schema.js';
import type { Names } from './names.js';
import { singular, splitName } from './names.js';
import { isHousekeeping } from './relation-facts.js';
import { shareInCommon, weighWords, WEIGHTS } from './weights.js';

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
  const weighed = tokens.map((list) => weighWords(list, names.idf));
  const pairs = new Map<number, number>();
  for (const sharing of postings(tokens, MOST_SHARING).values())
    eachPair(sharing, (a, b) => {
      const key = a * relations.length + b;
      if (pairs.has(key)) return;
      pairs.set(key, shareInCommon(weighed[a]!, weighed[b]!));
    });
  const best = new Nearest(relations.length);
  for (const [key, similarity] of pairs) {
    if (similarity <= LEAST_ALIKE) continue;
    const a = Math.floor(key / relations.length);
    const b = key % relations.length;
    best.offer(a, b, similarity);
    best.offer(b, a, similarity);
  }
  return best.pairs();
}

export function similarColumns(relations: readonly Relation[]): readonly Similar[] {
  const count = relations.length;
  // Names come again and again: each is looked at once.
  const said = new Map<string, string | null>();
  const sayingOf = (name: string): string | null => {
    let saying = said.get(name);
    if (saying === undefined) {
      saying = isHousekeeping(name) ? null : splitName(name).map(singular).join('_');
      said.set(name, saying);
    }
    return saying;
  };
  const columns = relations.map((relation) => {
    const distinct = new Set<string>();
    for (const { name } of relation.columns) {
      const saying = sayingOf(name);
      if (saying !== null) distinct.add(saying);
    }
    return [...distinct];
  });
  const frequency = new Map<string, number>();
  for (const list of columns)
    for (const column of list) frequency.set(column, (frequency.get(column) ?? 0) + 1);
  const weights = new Map([...frequency].map(([column, times]) => [column, Math.log(count / times) ** 2]));
  const weight = (column: string): number => weights.get(column)!;
  const norms = columns.map((list) => Math.sqrt(list.reduce((sum, column) => sum + weight(column), 0)) || 1);
  const limit = Math.min(MOST_SHARING, Math.max(4, count * TOO_COMMON));
  const sharing = postings(columns, limit);
  const best = new Nearest(count);
  // Row by row, so that no table of all pairs is held; each pair adds up its columns in the same order from either end.
  const score = new Float64Array(count);
  const seen: number[] = [];
  columns.forEach((list, a) => {
    for (const column of list.filter((name) => sharing.has(name)).sort(byText))
      for (const b of sharing.get(column) ?? []) {
        if (b === a) continue;
        if (score[b] === 0) seen.push(b);
        score[b]! += weight(column) / (norms[a]! * norms[b]!);
      }
    for (const b of seen) {
      if (score[b]! > 0) best.offer(a, b, score[b]!);
      score[b] = 0;
    }
    seen.length = 0;
  });
  return best.pairs();
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

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

/** The nearest few of each, as they are offered; what is as near and comes first stays first. */
class Nearest {
  private readonly other: Int32Array;
  private readonly similarity: Float64Array;
  private readonly filled: Uint8Array;

  constructor(private readonly count: number) {
    this.other = new Int32Array(count * WEIGHTS.mostSimilar);
    this.similarity = new Float64Array(count * WEIGHTS.mostSimilar);
    this.filled = new Uint8Array(count);
  }

  /** `to` as a neighbour of `of`. */
  offer(of: number, to: number, similarity: number): void {
    const start = of * WEIGHTS.mostSimilar;
    let at = start + this.filled[of]!;
    const isBefore = (place: number): boolean =>
      this.similarity[place]! > similarity ||
      (this.similarity[place] === similarity && this.other[place]! < to);
    if (this.filled[of] === WEIGHTS.mostSimilar) {
      at -= 1;
      if (isBefore(at)) return;
    } else this.filled[of]! += 1;
    for (; at > start && !isBefore(at - 1); at -= 1) {
      this.similarity[at] = this.similarity[at - 1]!;
      this.other[at] = this.other[at - 1]!;
    }
    this.similarity[at] = similarity;
    this.other[at] = to;
  }

  /** Pairs in which one is among the other's nearest few. */
  pairs(): Similar[] {
    const kept = new Map<number, Similar>();
    for (let node = 0; node < this.count; node += 1)
      for (let place = 0; place < this.filled[node]!; place += 1) {
        const at = node * WEIGHTS.mostSimilar + place;
        const a = Math.min(node, this.other[at]!);
        const b = Math.max(node, this.other[at]!);
        kept.set(a * this.count + b, { a, b, similarity: this.similarity[at]! });
      }
    return [...kept.values()].sort((x, y) => x.a - y.a || x.b - y.b);
  }
}
