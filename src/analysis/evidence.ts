/** Everything that speaks for two relations belonging together, as weighted edges with where each comes from. */
import type { DatabaseSchema, Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import {
  historyEdges,
  nameEdges,
  objectEdges,
  schemaEdges,
  userEdges,
  workloadEdges,
  writerEdges,
  type EvidenceEdge,
} from './edges.js';
import {
  declaresFewKeys,
  inferReferences,
  LEAST_HIT_RATE,
  type InferredReference,
} from './inferred-references.js';
import { readNames, type Names } from './names.js';
import {
  columnOf,
  isAuditKey,
  isUniqueOn,
  ownableRelations,
  primaryKeyOf,
  readFacts,
  startsWith,
  type RelationFacts,
} from './relation-facts.js';
import { similarColumns, similarNames } from './similarity.js';
import { nameSimilarity, weighReference, WEIGHTS, type ReferenceTraits } from './weights.js';
import type { ResolvedUse } from './workload.js';

export interface EvidenceReference {
  readonly child: number;
  readonly parent: number;
  readonly childColumns: readonly string[];
  readonly parentColumns: readonly string[];
  readonly origin: 'declared' | 'inferred' | 'configured';
  readonly traits: ReferenceTraits & { readonly isSelf: boolean; readonly isOneToOne: boolean };
  readonly weight: number;
  readonly reasons: readonly { readonly what: string; readonly factor: number }[];
  readonly hitRate?: number;
}

export interface Evidence {
  /** Ownable relations, sorted by id; numbers elsewhere are places in this list. */
  readonly relations: readonly Relation[];
  readonly index: ReadonlyMap<RelationId, number>;
  readonly names: Names;
  readonly facts: ReadonlyMap<RelationId, RelationFacts>;
  readonly references: readonly EvidenceReference[];
  /** Guesses that the data contradicts: they tie nothing. */
  readonly refuted: readonly (InferredReference & { readonly hitRate: number })[];
  readonly edges: readonly EvidenceEdge[];
  /** Distinct relations that refer to each. */
  readonly fanIn: readonly number[];
  readonly fanOut: readonly number[];
}

export interface ConfiguredReference {
  readonly child: RelationId;
  readonly childColumns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
}

export interface EvidenceOptions {
  readonly configured: readonly ConfiguredReference[];
  /** Statements and transactions, resolved to relations of the schema. */
  readonly workload: readonly ResolvedUse[];
  /** Share of rows whose value exists in the parent, for references that data was asked about; by `child.column`. */
  readonly hitRates: ReadonlyMap<string, number>;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function collectEvidence(schema: DatabaseSchema, options: EvidenceOptions): Evidence {
  const relations = ownableRelations(schema);
  const index = new Map(relations.map((relation, at) => [relation.id, at]));
  const names = readNames(relations);
  const facts = readFacts(relations, names);
  const { drafts, refuted } = draftReferences(relations, index, names, options);
  const children = relations.map(() => new Set<number>());
  const parents = relations.map(() => new Set<number>());
  for (const { child, parent, childColumns } of drafts) {
    if (child === parent) continue;
    children[parent]?.add(child);
    if (!isAuditKey(childColumns, (relations[parent] as Relation).id, names)) parents[child]?.add(parent);
  }
  const fanIn = children.map((set) => set.size);
  const fanOut = parents.map((set) => set.size);
  const groups = referringGroups(drafts, relations, index, names, facts, fanIn);
  const shape: Shape = { relations, names, facts, fanIn, fanOut, groups };
  const references = compete(drafts.map((draft) => weigh(draft, shape)));
  const edges = ([] as EvidenceEdge[]).concat(
    referenceEdges(references, relations),
    nameEdges(relations, names),
    schemaEdges(relations),
    historyEdges(relations, index, facts),
    similarNames(relations, names).map(({ a, b, similarity }) => ({
      a,
      b,
      weight: WEIGHTS.similarNames * similarity,
      kind: 'name' as const,
      detail: 'names alike',
    })),
    similarColumns(relations).map(({ a, b, similarity }) => ({
      a,
      b,
      weight: WEIGHTS.similarColumns * similarity,
      kind: 'columns' as const,
      detail: 'columns alike',
    })),
    objectEdges(schema, index),
    workloadEdges(options.workload, index, relations.length),
    writerEdges(relations),
    userEdges(options.workload, index, relations.length),
  );
  return { relations, index, names, facts, references, refuted, edges, fanIn, fanOut };
}

interface Draft {
  readonly child: number;
  readonly parent: number;
  readonly childColumns: readonly string[];
  readonly parentColumns: readonly string[];
  readonly origin: EvidenceReference['origin'];
  readonly onDelete: ReferenceTraits['onDelete'];
  readonly confidence: number;
  readonly hitRate?: number;
}

function draftReferences(
  relations: readonly Relation[],
  index: ReadonlyMap<RelationId, number>,
  names: Names,
  options: EvidenceOptions,
): { readonly drafts: readonly Draft[]; readonly refuted: Evidence['refuted'] } {
  const drafts: Draft[] = [];
  const refuted: Evidence['refuted'][number][] = [];
  relations.forEach((relation, child) => {
    for (const key of relation.foreignKeys) {
      const parent = index.get(key.parent);
      if (parent === undefined || key.isInherited) continue;
      const { columns: childColumns, parentColumns, onDelete } = key;
      drafts.push({
        child,
        parent,
        childColumns,
        parentColumns,
        onDelete,
        origin: 'declared',
        confidence: 1,
      });
    }
  });
  const seen = new Set(drafts.map((draft) => `${draft.child}:${draft.childColumns.join()}`));
  const known = (child: number, columns: readonly string[]): boolean =>
    seen.has(`${child}:${columns.join()}`);
  for (const reference of options.configured) {
    const child = index.get(reference.child);
    const parent = index.get(reference.parent);
    if (child === undefined || parent === undefined || known(child, reference.childColumns)) continue;
    const { childColumns, parentColumns } = reference;
    drafts.push({
      child,
      parent,
      childColumns,
      parentColumns,
      onDelete: 'no action',
      origin: 'configured',
      confidence: 1,
    });
  }
  if (declaresFewKeys(relations))
    for (const found of inferReferences(relations, names)) {
      const child = index.get(found.child) as number;
      if (known(child, [found.column])) continue;
      const hitRate = options.hitRates.get(`${found.child}.${found.column}`);
      if (hitRate !== undefined && hitRate < LEAST_HIT_RATE) {
        refuted.push({ ...found, hitRate });
        continue;
      }
      drafts.push({
        child,
        parent: index.get(found.parent) as number,
        childColumns: [found.column],
        parentColumns: [found.parentColumn],
        onDelete: 'no action',
        origin: 'inferred',
        confidence: hitRate === undefined ? found.confidence : Math.max(found.confidence, hitRate),
        ...(hitRate === undefined ? {} : { hitRate }),
      });
    }
  drafts.sort(
    (a, b) =>
      a.child - b.child || a.parent - b.parent || byText(a.childColumns.join(), b.childColumns.join()),
  );
  return { drafts, refuted };
}

interface Shape {
  readonly relations: readonly Relation[];
  readonly names: Names;
  readonly facts: ReadonlyMap<RelationId, RelationFacts>;
  readonly fanIn: readonly number[];
  readonly fanOut: readonly number[];
  readonly groups: readonly number[];
}

/** A weak entity of a parent with more children than this says little about where it belongs. */
const WIDEST_AGGREGATE = 8;

/**
 * How many groups of closely tied relations refer to each relation. A parent whose own details refer to it is no hub; one that
 * many different groups refer to is.
 */
function referringGroups(
  drafts: readonly Draft[],
  relations: readonly Relation[],
  index: ReadonlyMap<RelationId, number>,
  names: Names,
  facts: ReadonlyMap<RelationId, RelationFacts>,
  fanIn: readonly number[],
): number[] {
  const parentOf = relations.map((_, at) => at);
  const find = (at: number): number => {
    let root = at;
    while (parentOf[root] !== root) root = parentOf[root] as number;
    return root;
  };
  const join = (a: number, b: number): void => {
    const [x, y] = [find(a), find(b)];
    parentOf[Math.max(x, y)] = Math.min(x, y);
  };
  for (const { child, parent, childColumns } of drafts) {
    const [from, to] = [relations[child] as Relation, relations[parent] as Relation];
    if (child === parent || isAuditKey(childColumns, to.id, names)) continue;
    const fact = facts.get(from.id);
    const isNamed = startsWith(names.tokens.get(from.id) ?? [], names.tokens.get(to.id) ?? []);
    const isWeak = fact?.weakOf === to.id && (fanIn[parent] ?? 0) <= WIDEST_AGGREGATE;
    if (isNamed || isWeak || fact?.links?.owner === to.id) join(child, parent);
  }
  relations.forEach((relation, at) => {
    const of = index.get(facts.get(relation.id)?.historyOf ?? '');
    if (of !== undefined) join(at, of);
  });
  const referring = relations.map(() => new Set<number>());
  for (const { child, parent } of drafts)
    if (child !== parent && find(child) !== find(parent)) referring[parent]?.add(find(child));
  return referring.map((set) => set.size + 1);
}

/** A relation belongs to one parent most: its other references give way. */
function compete(references: readonly EvidenceReference[]): EvidenceReference[] {
  const strongest = new Map<number, number>();
  for (const { child, weight, traits } of references)
    if (!traits.isSelf) strongest.set(child, Math.max(strongest.get(child) ?? 0, weight));
  return references.map((reference) => {
    const most = strongest.get(reference.child);
    if (most === undefined || reference.traits.isSelf || reference.weight >= most) return reference;
    const factor = (reference.weight / most) ** WEIGHTS.competition;
    return {
      ...reference,
      weight: reference.weight * factor,
      reasons: [...reference.reasons, { what: 'another reference of the child is stronger', factor }],
    };
  });
}

function weigh(draft: Draft, { relations, names, facts, fanIn, fanOut, groups }: Shape): EvidenceReference {
  const child = relations[draft.child] as Relation;
  const parent = relations[draft.parent] as Relation;
  const fact = facts.get(child.id);
  const primary = primaryKeyOf(child);
  const childTokens = names.tokens.get(child.id) ?? [];
  const parentTokens = names.tokens.get(parent.id) ?? [];
  const isLink = fact?.links?.parents.includes(parent.id) === true;
  const traits = {
    isAudit: isAuditKey(draft.childColumns, parent.id, names),
    isWeak: fact?.weakOf === parent.id && draft.childColumns.every((column) => primary.includes(column)),
    link: isLink ? (fact?.links?.owner === parent.id ? ('owner' as const) : ('other' as const)) : null,
    isNullable: draft.childColumns.some((name) => columnOf(child, name)?.isNullable !== false),
    onDelete: draft.onDelete,
    isOneToOne: isUniqueOn(child, draft.childColumns),
    isSelf: draft.child === draft.parent,
    fanIn: fanIn[draft.parent] ?? 0,
    referringGroups: groups[draft.parent] ?? 1,
    isLeafParent: (fanOut[draft.parent] ?? 0) === 0,
    sharesFirstWord: childTokens[0] !== undefined && childTokens[0] === parentTokens[0],
    nameSimilarity: nameSimilarity(childTokens, parentTokens, names.idf),
    confidence: draft.confidence,
  };
  const { childColumns, parentColumns, origin, hitRate } = draft;
  return {
    child: draft.child,
    parent: draft.parent,
    childColumns,
    parentColumns,
    origin,
    traits,
    ...weighReference(traits),
    ...(hitRate === undefined ? {} : { hitRate }),
  };
}

function referenceEdges(
  references: readonly EvidenceReference[],
  relations: readonly Relation[],
): EvidenceEdge[] {
  const pairs = new Map<number, EvidenceReference[]>();
  for (const reference of references) {
    if (reference.traits.isSelf) continue;
    const { child, parent } = reference;
    const key = Math.min(child, parent) * relations.length + Math.max(child, parent);
    const known = pairs.get(key);
    if (known === undefined) pairs.set(key, [reference]);
    else known.push(reference);
  }
  return [...pairs.values()].map((list) => {
    list.sort((x, y) => y.weight - x.weight || byText(x.childColumns.join(), y.childColumns.join()));
    const [first, ...rest] = list as [EvidenceReference, ...EvidenceReference[]];
    const further = rest.reduce((sum, reference) => sum + reference.weight, 0);
    const name = (at: number): string => relations[at]?.name ?? '';
    return {
      a: Math.min(first.child, first.parent),
      b: Math.max(first.child, first.parent),
      weight: first.weight + WEIGHTS.furtherReference * further,
      kind: 'reference',
      detail: `${name(first.child)}.${first.childColumns.join(', ')} -> ${name(first.parent)}${howKnown(first)}`,
    };
  });
}

function howKnown({ origin, hitRate }: EvidenceReference): string {
  if (origin !== 'inferred') return '';
  return hitRate === undefined
    ? ' (by its name)'
    : ` (by its name, ${(hitRate * 100).toFixed(1)} % of its values are there)`;
}
