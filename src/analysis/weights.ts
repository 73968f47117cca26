/**
 * How much each kind of evidence ties two relations together. docs/boundaries.md says where the numbers come from:
 * from how authors of ten systems grouped their own tables, then tuned with one system held out at a time.
 */
import type { ForeignKey } from '../model/database-schema.js';

export const WEIGHTS = {
  /** `created_by`, `assignee`: both ends are together in 3 % of cases. */
  audit: 0.052,
  /** The child's primary key holds its only identifying parent: together in 98 %. */
  weak: 1.3,
  /** A link table and the side whose name it carries (95 %), and the other side (36 %). */
  linkOwner: 3.6,
  linkOther: 0.37,
  notNull: 1.7,
  nullable: 1,
  setNull: 0.54,
  /** The parent's only child. */
  onlyChild: 1.2,
  /** Words in common multiply a reference by up to 1 + this. */
  namesAlike: 1.6,
  /** From this many referring groups on, a parent is a hub: (hubFrom / referring) ^ hubDamping where names differ. */
  hubFrom: 3.8,
  hubDamping: 0.39,
  /** The share of that damping which a weak entity feels. */
  weakDamping: 0.73,
  /** A parent without references of its own that nine or more refer to is a reference table. */
  referenceTable: 0.56,
  referenceTableFrom: 9,
  /** A relation belongs to one parent most: (weight / its strongest reference) ^ competition. */
  competition: 0.41,
  /** A second reference between the same two relations adds this share of its weight. */
  furtherReference: 0.25,
  /** Same first word, by its rarity, shared out over the group; more where the first word is the module. */
  firstWord: 0.66,
  modulePrefix: 4,
  /** Relations of one schema, where a database has several. */
  sameSchema: 4,
  /** `x_history`, `x_audit` belong to x. */
  history: 6.8,
  /** Each relation and the few whose names, or whose columns, are most alike. */
  similarNames: 0.35,
  similarColumns: 0.37,
  mostSimilar: 5,
  /** `preorder_allocation` ends with the whole name of another relation; by the rarity of its last word. */
  nameEnding: 0.024,
  /** Words of a name count most at its beginning. */
  middleWord: 0.68,
  lastWord: 0.45,
  /** Shared out over the relations of one view, routine, rule or trigger. */
  view: 0.4,
  routineRead: 0.3,
  routineWrite: 1,
  /** Statements and transactions: written together counts more than three times as much as read together; capped. */
  workloadWrite: 10,
  workloadRead: 3,
  workloadCap: 4,
  /** Relations that the same few roles may write, and others may not. */
  sameWriter: 0.6,
} as const;

export interface ReferenceTraits {
  readonly isAudit: boolean;
  readonly isWeak: boolean;
  readonly link: 'owner' | 'other' | null;
  readonly isNullable: boolean;
  readonly onDelete: ForeignKey['onDelete'];
  /** Distinct relations that refer to the parent. */
  readonly fanIn: number;
  /** Groups of closely tied relations, other than the parent's own, that refer to it, and itself. */
  readonly referringGroups: number;
  /** The parent refers to nothing. */
  readonly isLeafParent: boolean;
  readonly sharesFirstWord: boolean;
  /** 0..1, see nameSimilarity. */
  readonly nameSimilarity: number;
  /** 1 for declared keys. */
  readonly confidence: number;
}

export interface WeighedReference {
  readonly weight: number;
  /** Factors whose product is the weight, the one furthest from 1 first. */
  readonly reasons: readonly { readonly what: string; readonly factor: number }[];
}

const W = WEIGHTS;

function baseWeight(traits: ReferenceTraits): { what: string; factor: number } {
  if (traits.isAudit) return { what: 'says who did it, not what belongs together', factor: W.audit };
  if (traits.isWeak)
    return { what: 'the child cannot exist without it (it is in its primary key)', factor: W.weak };
  if (traits.link === 'owner') return { what: 'link table named after this side', factor: W.linkOwner };
  if (traits.link === 'other') return { what: 'other side of a link table', factor: W.linkOther };
  if (traits.onDelete === 'set null')
    return { what: 'ON DELETE SET NULL: it may go away', factor: W.setNull };
  return traits.isNullable
    ? { what: 'may be null', factor: W.nullable }
    : { what: 'NOT NULL', factor: W.notNull };
}

export function weighReference(traits: ReferenceTraits): WeighedReference {
  const factors = [baseWeight(traits)];
  const add = (what: string, factor: number): void => {
    if (Math.abs(factor - 1) > 1e-9) factors.push({ what, factor });
  };
  add('inferred from its name', traits.confidence);
  if (traits.fanIn === 1 && !traits.isAudit) add('nothing else refers to it', W.onlyChild);
  if (!traits.sharesFirstWord) {
    const damping = W.hubDamping * (traits.isWeak ? W.weakDamping : 1);
    add(
      `hub: ${traits.fanIn} relations of ${traits.referringGroups} groups refer to it`,
      Math.min(1, (W.hubFrom / Math.max(1, traits.referringGroups)) ** damping),
    );
    if (traits.isLeafParent && traits.fanIn >= W.referenceTableFrom)
      add('reference table: many refer to it, it refers to nothing', W.referenceTable);
  }
  add('words in common', 1 + W.namesAlike * traits.nameSimilarity);
  return {
    weight: factors.reduce((product, { factor }) => product * factor, 1),
    reasons: factors.sort(
      (a, b) => Math.abs(Math.log(b.factor)) - Math.abs(Math.log(a.factor)) || (a.what < b.what ? -1 : 1),
    ),
  };
}

/** Weighted share of words in common: rare words and first words count most. 0..1. */
export function nameSimilarity(
  a: readonly string[],
  b: readonly string[],
  idf: (token: string) => number,
): number {
  return shareInCommon(weighWords(a, idf), weighWords(b, idf));
}

/** nameSimilarity of words already weighed: for those who compare each name with many. */
export function shareInCommon(
  first: ReadonlyMap<string, number>,
  second: ReadonlyMap<string, number>,
): number {
  let common = 0;
  let all = 0;
  for (const [word, x] of first) {
    const y = second.get(word) ?? 0;
    common += Math.min(x, y);
    all += Math.max(x, y);
  }
  for (const [word, y] of second) if (!first.has(word)) all += y;
  return all === 0 ? 0 : common / all;
}

export function weighWords(
  words: readonly string[],
  idf: (token: string) => number,
): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  words.forEach((word, at) => {
    const place = at === 0 ? 1 : at === words.length - 1 ? W.lastWord : W.middleWord;
    weights.set(word, Math.max(weights.get(word) ?? 0, idf(word) * place));
  });
  return weights;
}
