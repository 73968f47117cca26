/** Edges between relations that no reference gives: names, schemas, histories, views, routines, what is used together and by whom. */
import type { DatabaseSchema, Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import type { Names } from './names.js';
import type { RelationFacts } from './relation-facts.js';
import { WEIGHTS } from './weights.js';
import type { ResolvedUse } from './workload.js';

export type EvidenceKind =
  'reference' | 'name' | 'schema' | 'history' | 'columns' | 'view' | 'routine' | 'workload' | 'grants';

export interface EvidenceEdge {
  readonly a: number;
  readonly b: number;
  readonly weight: number;
  readonly kind: EvidenceKind;
  readonly detail: string;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function push(groups: Map<string, number[]>, key: string, at: number): void {
  const known = groups.get(key);
  if (known === undefined) groups.set(key, [at]);
  else known.push(at);
}

/** Pairs of a larger group are too many to list: each is tied to its next few instead, with the same weight in all. */
const LARGEST_CLIQUE = 60;
const RING_REACH = 12;

function group(
  members: readonly number[],
  weight: number,
  kind: EvidenceKind,
  detail: string,
): EvidenceEdge[] {
  const isRing = members.length > LARGEST_CLIQUE;
  const reach = isRing ? RING_REACH : members.length - 1;
  const each = weight / (isRing ? 2 * RING_REACH : Math.max(1, members.length - 1));
  const edges: EvidenceEdge[] = [];
  for (let i = 0; i < members.length; i += 1)
    for (let step = 1; step <= reach; step += 1) {
      if (!isRing && i + step >= members.length) break;
      const [x, y] = [members[i] as number, members[(i + step) % members.length] as number];
      edges.push({ a: Math.min(x, y), b: Math.max(x, y), weight: each, kind, detail });
    }
  return edges;
}

export function nameEdges(relations: readonly Relation[], names: Names): EvidenceEdge[] {
  const groups = new Map<string, number[]>();
  const whole = new Map<string, number>();
  relations.forEach((relation, at) => {
    const tokens = names.tokens.get(relation.id) ?? [];
    const first = tokens[0];
    if (first === undefined) return;
    push(groups, first, at);
    whole.set(tokens.join(' '), at);
  });
  const strength = names.hasModulePrefixes ? WEIGHTS.modulePrefix : WEIGHTS.firstWord;
  const edges = [...groups]
    .sort(([a], [b]) => byText(a, b))
    .flatMap(([word, members]) =>
      members.length < 2
        ? []
        : group(members, strength * names.idf(word), 'name', `names begin with "${word}"`),
    );
  relations.forEach((relation, at) => {
    const tokens = names.tokens.get(relation.id) ?? [];
    for (let from = 1; from < tokens.length; from += 1) {
      const other = whole.get(tokens.slice(from).join(' '));
      if (other === undefined || other === at) continue;
      const weight = WEIGHTS.nameEnding * names.idf(tokens.at(-1) as string);
      edges.push({
        a: Math.min(at, other),
        b: Math.max(at, other),
        weight,
        kind: 'name',
        detail: `name ends with "${relations[other]?.name ?? ''}"`,
      });
      break;
    }
  });
  return edges;
}

export function schemaEdges(relations: readonly Relation[]): EvidenceEdge[] {
  const groups = new Map<string, number[]>();
  relations.forEach((relation, at) => push(groups, relation.schema, at));
  const used = [...groups].filter(([, members]) => members.length > 1).sort(([a], [b]) => byText(a, b));
  if (used.length < 2) return [];
  return used.flatMap(([name, members]) =>
    group(
      members,
      WEIGHTS.sameSchema * Math.log(relations.length / members.length),
      'schema',
      `schema ${name}`,
    ),
  );
}

export function historyEdges(
  relations: readonly Relation[],
  index: ReadonlyMap<RelationId, number>,
  facts: ReadonlyMap<RelationId, RelationFacts>,
): EvidenceEdge[] {
  return relations.flatMap((relation, at) => {
    const of = index.get(facts.get(relation.id)?.historyOf ?? '');
    return of === undefined
      ? []
      : [
          {
            a: Math.min(at, of),
            b: Math.max(at, of),
            weight: WEIGHTS.history,
            kind: 'history' as const,
            detail: `${relation.name} keeps the past of ${relations[of]?.name ?? ''}`,
          },
        ];
  });
}

/** Objects over more relations than this say "reporting", not "belongs together". */
const WIDEST_OBJECT = 15;

function spread(
  members: readonly number[],
  weight: number,
  kind: EvidenceKind,
  detail: string,
): EvidenceEdge[] {
  const distinct = [...new Set(members)].sort((a, b) => a - b);
  return distinct.length < 2 || distinct.length > WIDEST_OBJECT ? [] : group(distinct, weight, kind, detail);
}

export function objectEdges(schema: DatabaseSchema, index: ReadonlyMap<RelationId, number>): EvidenceEdge[] {
  const places = (ids: readonly RelationId[]): number[] =>
    ids.flatMap((id) => {
      const at = index.get(id);
      return at === undefined ? [] : [at];
    });
  const edges: EvidenceEdge[] = [];
  for (const relation of schema.relations) {
    if (relation.reads.length > 1)
      edges.push(...spread(places(relation.reads), WEIGHTS.view, 'view', `view ${relation.name}`));
    for (const trigger of relation.triggers)
      edges.push(
        ...spread(
          places([relation.id, ...trigger.writes]),
          WEIGHTS.routineWrite,
          'routine',
          `trigger ${trigger.name}`,
        ),
      );
    for (const rule of relation.rules)
      edges.push(
        ...spread(
          places([relation.id, ...rule.touches]),
          WEIGHTS.routineWrite,
          'routine',
          `rule ${rule.name}`,
        ),
      );
  }
  for (const routine of schema.routines) {
    edges.push(
      ...spread(places(routine.writes), WEIGHTS.routineWrite, 'routine', `${routine.kind} ${routine.name}`),
    );
    edges.push(
      ...spread(
        places([...routine.reads, ...routine.writes]),
        WEIGHTS.routineRead,
        'routine',
        `${routine.kind} ${routine.name}`,
      ),
    );
  }
  return edges;
}

/** Cosine-normalised, so that a busy relation is not tied to everything; capped, so that no statement outweighs the schema. */
export function workloadEdges(
  uses: readonly ResolvedUse[],
  index: ReadonlyMap<RelationId, number>,
  count: number,
): EvidenceEdge[] {
  const busy = new Float64Array(count);
  const pairs = new Map<number, { read: number; written: number }>();
  for (const use of uses) {
    const written = new Set(use.writes.flatMap((id) => index.get(id) ?? []));
    const touched = [...new Set([...written, ...use.reads.flatMap((id) => index.get(id) ?? [])])].sort(
      (a, b) => a - b,
    );
    if (touched.length > WIDEST_OBJECT) continue;
    const calls = Math.log2(1 + use.calls);
    for (const at of touched) busy[at] = (busy[at] as number) + calls;
    for (let i = 0; i < touched.length; i += 1)
      for (let j = i + 1; j < touched.length; j += 1) {
        const a = touched[i] as number;
        const b = touched[j] as number;
        const pair = pairs.get(a * count + b) ?? { read: 0, written: 0 };
        if (written.has(a) && written.has(b)) pair.written += calls;
        else pair.read += calls;
        pairs.set(a * count + b, pair);
      }
  }
  return [...pairs]
    .sort(([x], [y]) => x - y)
    .map(([key, { read, written }]) => {
      const a = Math.floor(key / count);
      const b = key % count;
      const scale = Math.sqrt((busy[a] as number) * (busy[b] as number)) || 1;
      const weight = Math.min(
        WEIGHTS.workloadCap,
        (WEIGHTS.workloadWrite * written + WEIGHTS.workloadRead * read) / scale,
      );
      return {
        a,
        b,
        weight,
        kind: 'workload' as const,
        detail: written > 0 ? 'written together' : 'read together',
      };
    });
}

/** Relations that the same few roles may write, and others may not: by their grants. */
export function writerEdges(relations: readonly Relation[]): EvidenceEdge[] {
  return sameWriters(
    relations.map(
      (relation) =>
        new Set(
          relation.grants
            .filter((grant) => /^(?:INSERT|UPDATE|DELETE)$/i.test(grant.privilege))
            .map((grant) => grant.grantee),
        ),
    ),
    (writers) => `written by ${writers} only`,
  );
}

/** Relations that the same few users were seen to write: what they may do says less than what they do. */
export function userEdges(
  uses: readonly ResolvedUse[],
  index: ReadonlyMap<RelationId, number>,
  count: number,
): EvidenceEdge[] {
  const writers = Array.from({ length: count }, () => new Set<string>());
  for (const { user, writes } of uses)
    if (user !== undefined) for (const id of writes) writers[index.get(id) ?? -1]?.add(user);
  return sameWriters(writers, (users) => `${users} alone was seen to write it`);
}

function sameWriters(
  writersOf: readonly ReadonlySet<string>[],
  detail: (writers: string) => string,
): EvidenceEdge[] {
  const groups = new Map<string, number[]>();
  writersOf.forEach((writers, at) => {
    if (writers.size === 0) return;
    const key = [...writers].sort(byText).join(', ');
    push(groups, key, at);
  });
  if (groups.size < 2) return [];
  return [...groups]
    .sort(([a], [b]) => byText(a, b))
    .flatMap(([writers, members]) =>
      members.length < 2 || members.length > writersOf.length / 2
        ? []
        : group(
            members,
            WEIGHTS.sameWriter * Math.log(writersOf.length / members.length),
            'grants',
            detail(writers),
          ),
    );
}
