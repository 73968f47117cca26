/** Each proposed service as its team would want to see it: size, traffic, cohesion, who uses it, its store, and what happens when it is down. */
import type { Outage, ProposedService, Reference, ServiceUser, ServiceWrites } from '../model/analysis.js';
import type { Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import type { BoundaryEvidence } from './boundary-evidence.js';
import type { Evidence } from './evidence.js';
import type { Label } from './labels.js';
import type { Grouping } from './partition.js';
import { personalColumns } from './personal-data.js';
import { adviseStore } from './store-advice.js';
import type { ResolvedUse } from './workload.js';

export function describeServices(
  evidence: Evidence,
  grouping: Grouping,
  labels: readonly Label[],
  references: readonly Reference[],
  given: BoundaryEvidence,
  home: ReadonlyMap<RelationId, string>,
): readonly ProposedService[] {
  const everyone = labels.map((label) => label.name).sort();
  const ties = tiesOf(labels, references, given.workload, home, evidence);
  return grouping.groups
    .map((members, group): ProposedService => {
      const { name, reason } = labels[group] as Label;
      const relations = members.map((at) => evidence.relations[at] as Relation);
      const owned = new Set(relations.map((relation) => relation.id));
      const { inside, incoming, outgoing, uses, blocked, degraded } = ties.get(name) as Ties;
      const weight = (list: readonly Reference[]): number =>
        list.reduce((sum, reference) => sum + reference.weight, 0);
      const total = weight(inside) + weight(incoming) + weight(outgoing);
      const personalData = relations.flatMap(personalColumns);
      return {
        name,
        relations: [...owned].sort(),
        rows: sum(relations.map((relation) => relation.estimatedRows)),
        bytes: sum(relations.map((relation) => relation.bytes)),
        cohesion: total === 0 ? 1 : round(weight(inside) / total),
        referencesIn: incoming.length,
        referencesOut: outgoing.length,
        confidence: round(
          members.reduce((all, at) => all + (grouping.confidence[at] as number), 0) /
            Math.max(1, members.length),
        ),
        namedAfter: reason,
        publicRelations: [...new Set(incoming.map((reference) => reference.parent))].sort(),
        store: adviseStore(
          relations,
          inside.length,
          uses.filter((use) => use.writes.some((id) => owned.has(id))),
        ),
        personalData,
        seenBy: personalData.length === 0 ? [] : everyone.filter((other) => other !== name),
        outage: outageOf(name, everyone, blocked, degraded),
        writes: writesOf(owned, given),
        users: usersOf(relations, owned, uses),
      };
    })
    .sort((a, b) => b.relations.length - a.relations.length || (a.name < b.name ? -1 : 1));
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

/** Rows written since the server began to count, and a second of that time. */
function writesOf(owned: ReadonlySet<RelationId>, { writes }: BoundaryEvidence): ServiceWrites | null {
  if (writes === undefined) return null;
  let rows = 0;
  for (const id of owned) rows += writes.rows.get(id) ?? 0;
  return {
    rows,
    perSecond: writes.forMs === null || writes.forMs <= 0 ? null : round((rows * 1000) / writes.forMs),
  };
}

/** Roles that grants let at its relations, and users whose statements were seen there. */
function usersOf(
  relations: readonly Relation[],
  owned: ReadonlySet<RelationId>,
  uses: readonly ResolvedUse[],
): readonly ServiceUser[] {
  const users = new Map<string, { reads: boolean; writes: boolean; isSeen: boolean }>();
  const note = (name: string, what: { reads?: boolean; writes?: boolean; isSeen?: boolean }): void => {
    const known = users.get(name) ?? { reads: false, writes: false, isSeen: false };
    users.set(name, {
      reads: known.reads || what.reads === true,
      writes: known.writes || what.writes === true,
      isSeen: known.isSeen || what.isSeen === true,
    });
  };
  for (const relation of relations)
    for (const { grantee, privilege } of relation.grants)
      if (grantee !== relation.owner) {
        if (/^SELECT$/i.test(privilege)) note(grantee, { reads: true });
        if (/^(?:INSERT|UPDATE|DELETE|TRUNCATE)$/i.test(privilege)) note(grantee, { writes: true });
      }
  for (const { user, reads, writes } of uses) {
    if (user === undefined) continue;
    if (reads.some((id) => owned.has(id))) note(user, { reads: true, isSeen: true });
    if (writes.some((id) => owned.has(id))) note(user, { writes: true, isSeen: true });
  }
  return [...users].map(([name, access]) => ({ name, ...access })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function sum(values: readonly (number | null)[]): number | null {
  return values.some((value) => value === null)
    ? null
    : values.reduce<number>((total, value) => total + (value as number), 0);
}

/** What ties a service to the others, gathered for all of them at once: schemas of thousands of relations have hundreds of services. */
interface Ties {
  readonly inside: Reference[];
  readonly incoming: Reference[];
  readonly outgoing: Reference[];
  /** Statements and transactions that touch it. */
  readonly uses: ResolvedUse[];
  /** Services that cannot write, and that show less, without it. */
  readonly blocked: Set<string>;
  readonly degraded: Set<string>;
}

function tiesOf(
  labels: readonly Label[],
  references: readonly Reference[],
  uses: readonly ResolvedUse[],
  home: ReadonlyMap<RelationId, string>,
  evidence: Evidence,
): ReadonlyMap<string, Ties> {
  const ties = new Map<string, Ties>(
    labels.map(({ name }) => [
      name,
      { inside: [], incoming: [], outgoing: [], uses: [], blocked: new Set(), degraded: new Set() },
    ]),
  );
  for (const reference of references) {
    const [from, to] = [home.get(reference.child), home.get(reference.parent)];
    if (from === to) {
      if (from !== undefined) ties.get(from)?.inside.push(reference);
      continue;
    }
    if (from !== undefined) ties.get(from)?.outgoing.push(reference);
    if (to === undefined) continue;
    const parent = ties.get(to);
    parent?.incoming.push(reference);
    if (from === undefined) continue;
    const child = evidence.relations[evidence.index.get(reference.child) as number];
    const isRequired = reference.childColumns.every(
      (name) => child?.columns.find((column) => column.name === name)?.isNullable === false,
    );
    (isRequired ? parent?.blocked : parent?.degraded)?.add(from);
  }
  for (const use of uses) {
    const written = new Set(use.writes.flatMap((id) => home.get(id) ?? []));
    const touched = new Set([...use.reads.flatMap((id) => home.get(id) ?? []), ...written]);
    for (const service of touched) {
      const own = ties.get(service);
      own?.uses.push(use);
      const stops = written.has(service) && use.writes.length > 1;
      for (const other of touched) if (other !== service) (stops ? own?.blocked : own?.degraded)?.add(other);
    }
  }
  return ties;
}

/** Who cannot write, who shows less, and who does not notice, when a service's database is down. */
function outageOf(
  service: string,
  everyone: readonly string[],
  blocked: ReadonlySet<string>,
  degraded: ReadonlySet<string>,
): Outage {
  return {
    blocked: [...blocked].sort(),
    degraded: [...degraded].filter((other) => !blocked.has(other)).sort(),
    unaffected: everyone.filter((other) => other !== service && !blocked.has(other) && !degraded.has(other)),
  };
}
