/** The analysis of a schema: evidence → groups → named services, with prices, reasons, findings and a verdict. Pure. */
import type {
  Alternative,
  Analysis,
  AnalysisInput,
  Crossing,
  Outage,
  ProposedService,
  Reference,
  SharedObject,
} from '../model/analysis.js';
import { priceBoundaries } from '../model/boundary-price.js';
import { compareFindings } from '../model/finding.js';
import type { Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { copyColumns, referenceCost, referenceReplacement } from './costs.js';
import {
  collectEvidence,
  type ConfiguredReference,
  type Evidence,
  type EvidenceReference,
} from './evidence.js';
import { freeLabels, labelCandidates, type Label } from './labels.js';
import { partition, pinnedGraph, type Grouping, type PinnedGraph } from './partition.js';
import { personalColumns } from './personal-data.js';
import { resolvePins } from './pins.js';
import { explainPlacements } from './placements.js';
import { RULES } from './rules/all.js';
import { referenceLabel, type RuleContext } from './rules/rule.js';
import { sharedRelations } from './shared-relations.js';
import { sharedObjects } from './shared-objects.js';
import { adviseStore } from './store-advice.js';
import { judge } from './verdict.js';
import { nameResolver, type ResolvedUse } from './workload.js';

export interface BoundaryEvidence {
  /** Where names without a schema are looked for first. */
  readonly defaultSchema: string;
  readonly configured: readonly ConfiguredReference[];
  readonly workload: readonly ResolvedUse[];
  readonly hitRates: ReadonlyMap<string, number>;
  /** The server's limit, to share out among the services; undefined: unknown. */
  readonly maxConnections?: number;
}

export const NO_EVIDENCE: BoundaryEvidence = {
  defaultSchema: 'public',
  configured: [],
  workload: [],
  hitRates: new Map(),
};

export const GRANULARITIES = { coarse: 0.15, balanced: 0.5, fine: 0.85 } as const;
/** Runs behind each alternative: it is for comparison, not for a signature. */
const ALTERNATIVE_RUNS = 25;
/** Connections kept back for administrators and for dbps itself. */
const RESERVED_CONNECTIONS = 10;

/** @throws UsageError when pins contradict each other. */
export function analyzeBoundaries(input: AnalysisInput, given: BoundaryEvidence = NO_EVIDENCE): Analysis {
  const evidence = collectEvidence(input.schema, given);
  const pins = resolvePins(evidence.index, evidence.relations.length, input.pins);
  const graph = pinnedGraph(evidence, pins);
  const grouping = partition(graph, input);
  const labels = labelGroups(evidence, grouping);
  const home = homesOf(evidence, grouping, labels);
  const shared = sharedRelations(evidence, home, input.pins.shared);
  const referenceData = new Set(shared.map((entry) => entry.relation));
  const references = evidence.references.map((reference) =>
    toReference(reference, evidence, referenceData, given.workload),
  );
  const names = nameResolver(input.schema, given.defaultSchema);
  const objects = sharedObjects(
    input.schema,
    new Set(evidence.relations.map((relation) => relation.id)),
    names,
    given.workload,
  );
  const crossings = findCrossings(references, objects, home);
  const services = describeServices(evidence, grouping, labels, references, given, home);
  const context: RuleContext = {
    schema: input.schema,
    evidence,
    services,
    home,
    references,
    objects,
    crossings,
    uses: given.workload,
    unknownPins: pins.unknown,
  };
  return {
    services,
    shared,
    unassigned: evidence.relations.flatMap((relation, at) =>
      grouping.groupOf[at] === -1
        ? [
            {
              relation: relation.id,
              reason: 'nothing refers to it, it refers to nothing, and its name is like no other',
            },
          ]
        : [],
    ),
    references,
    objects,
    crossings,
    verdict: judge({
      relations: evidence.relations.length,
      services,
      references,
      objects,
      crossings,
      hasReferences: evidence.references.some((reference) => reference.origin !== 'inferred'),
      hasWorkload: given.workload.length > 0,
    }),
    placements: explainPlacements(
      evidence,
      grouping,
      labels.map((label) => label.name),
      pins.pinned,
    ),
    alternatives: alternatives(evidence, graph, references, objects, input, grouping),
    findings: RULES.flatMap((rule) => rule(context)).sort(compareFindings),
  };
}

function labelGroups(evidence: Evidence, grouping: Grouping): readonly Label[] {
  const pull = new Float64Array(evidence.relations.length);
  for (const { child, parent, weight } of evidence.references)
    if (child !== parent && grouping.groupOf[child] === grouping.groupOf[parent])
      pull[parent] = (pull[parent] as number) + weight;
  return freeLabels(
    grouping.groups.map((members, group) => {
      const fixed = grouping.pinnedName.get(group);
      const candidates = labelCandidates({
        relations: members.map((at) => {
          const { id, name } = evidence.relations[at] as Relation;
          return { id, name, tokens: evidence.names.tokens.get(id) ?? [] };
        }),
        pull: members.map((at) => pull[at] as number),
      });
      return { ...(fixed === undefined ? {} : { fixed }), candidates };
    }),
  );
}

function homesOf(
  evidence: Evidence,
  grouping: Grouping,
  labels: readonly Label[],
): ReadonlyMap<RelationId, string> {
  const home = new Map<RelationId, string>();
  evidence.relations.forEach((relation, at) => {
    const label = labels[grouping.groupOf[at] as number];
    if (label !== undefined) home.set(relation.id, label.name);
  });
  return home;
}

function toReference(
  reference: EvidenceReference,
  evidence: Evidence,
  referenceData: ReadonlySet<RelationId>,
  uses: readonly ResolvedUse[],
): Reference {
  const child = evidence.relations[reference.child] as Relation;
  const parent = evidence.relations[reference.parent] as Relation;
  const isReferenceData = referenceData.has(parent.id);
  const copies = isReferenceData ? [] : copyColumns(child.id, parent, uses);
  const { childColumns, parentColumns, origin, weight, reasons, hitRate } = reference;
  return {
    child: child.id,
    childColumns,
    parent: parent.id,
    parentColumns,
    origin,
    weight: round(weight),
    reasons: reasons.map(({ what, factor }) => ({ what, factor: round(factor) })),
    ...(hitRate === undefined ? {} : { hitRate }),
    cost: reference.traits.isSelf ? 0 : round(referenceCost(reference, isReferenceData)),
    replacement: referenceReplacement(reference, child, parent, copies, isReferenceData),
    copyColumns: copies,
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

function findCrossings(
  references: readonly Reference[],
  objects: readonly SharedObject[],
  home: ReadonlyMap<RelationId, string>,
): readonly Crossing[] {
  const crossings: Crossing[] = [];
  for (const reference of references) {
    const [from, to] = [home.get(reference.child), home.get(reference.parent)];
    if (from === to || from === undefined || to === undefined) continue;
    crossings.push({
      kind: 'reference',
      subject: referenceLabel(reference),
      services: [from, to],
      relations: [reference.child, reference.parent],
      reference,
      cost: reference.cost,
      replacement: reference.replacement,
    });
  }
  for (const object of objects) {
    const services = [...new Set(object.relations.flatMap((relation) => home.get(relation) ?? []))].sort();
    if (services.length < 2) continue;
    const { kind, subject, relations, cost, replacement } = object;
    crossings.push({
      kind,
      subject,
      services,
      relations,
      cost: round(cost * (services.length - 1)),
      replacement,
    });
  }
  return crossings.sort(
    (a, b) => b.cost - a.cost || (a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : 0),
  );
}

function describeServices(
  evidence: Evidence,
  grouping: Grouping,
  labels: readonly Label[],
  references: readonly Reference[],
  given: BoundaryEvidence,
  home: ReadonlyMap<RelationId, string>,
): readonly ProposedService[] {
  const perService =
    given.maxConnections === undefined
      ? null
      : Math.max(1, Math.floor((given.maxConnections - RESERVED_CONNECTIONS) / Math.max(1, labels.length)));
  const everyone = labels.map((label) => label.name).sort();
  return grouping.groups
    .map((members, group): ProposedService => {
      const { name, reason } = labels[group] as Label;
      const relations = members.map((at) => evidence.relations[at] as Relation);
      const owned = new Set(relations.map((relation) => relation.id));
      const inside = references.filter(
        (reference) => owned.has(reference.child) && owned.has(reference.parent),
      );
      const incoming = references.filter(
        (reference) => !owned.has(reference.child) && owned.has(reference.parent),
      );
      const outgoing = references.filter(
        (reference) => owned.has(reference.child) && !owned.has(reference.parent),
      );
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
          given.workload.filter((use) => use.writes.some((id) => owned.has(id))),
        ),
        personalData,
        seenBy: personalData.length === 0 ? [] : everyone.filter((other) => other !== name),
        outage: outageOf(name, everyone, evidence, references, given.workload, home),
        connections: perService,
      };
    })
    .sort((a, b) => b.relations.length - a.relations.length || (a.name < b.name ? -1 : 1));
}

function sum(values: readonly (number | null)[]): number | null {
  return values.some((value) => value === null)
    ? null
    : values.reduce<number>((total, value) => total + (value as number), 0);
}

/** Who cannot write, who shows less, and who does not notice, when a service's database is down. */
function outageOf(
  service: string,
  everyone: readonly string[],
  evidence: Evidence,
  references: readonly Reference[],
  uses: readonly ResolvedUse[],
  home: ReadonlyMap<RelationId, string>,
): Outage {
  const blocked = new Set<string>();
  const degraded = new Set<string>();
  for (const reference of references) {
    const from = home.get(reference.child);
    if (home.get(reference.parent) !== service || from === undefined || from === service) continue;
    const child = evidence.relations[evidence.index.get(reference.child) as number];
    const isRequired = reference.childColumns.every(
      (name) => child?.columns.find((column) => column.name === name)?.isNullable === false,
    );
    (isRequired ? blocked : degraded).add(from);
  }
  for (const use of uses) {
    const touched = new Set([...use.reads, ...use.writes].flatMap((id) => home.get(id) ?? []));
    if (!touched.has(service)) continue;
    const writesHere = use.writes.some((id) => home.get(id) === service);
    for (const other of touched)
      if (other !== service) (writesHere && use.writes.length > 1 ? blocked : degraded).add(other);
  }
  return {
    blocked: [...blocked].sort(),
    degraded: [...degraded].filter((other) => !blocked.has(other)).sort(),
    unaffected: everyone.filter((other) => other !== service && !blocked.has(other) && !degraded.has(other)),
  };
}

function alternatives(
  evidence: Evidence,
  graph: PinnedGraph,
  references: readonly Reference[],
  objects: readonly SharedObject[],
  input: AnalysisInput,
  proposed: Grouping,
): readonly Alternative[] {
  return (['coarse', 'balanced', 'fine'] as const).map((name): Alternative => {
    const isProposed = input.servicesWanted === undefined && input.granularity === GRANULARITIES[name];
    const grouping = isProposed
      ? proposed
      : partition(graph, { granularity: GRANULARITIES[name], runs: ALTERNATIVE_RUNS });
    const labels = labelGroups(evidence, grouping);
    const home = homesOf(evidence, grouping, labels);
    const crossings = findCrossings(references, objects, home);
    return {
      name,
      services: labels
        .map((label, group) => ({
          name: label.name,
          relations: (grouping.groups[group] ?? []).map((at) => (evidence.relations[at] as Relation).id),
        }))
        .sort((a, b) => b.relations.length - a.relations.length || (a.name < b.name ? -1 : 1)),
      crossingReferences: crossings.filter((crossing) => crossing.kind === 'reference').length,
      crossingJoins: crossings.filter(
        (crossing) => crossing.kind !== 'reference' && crossing.kind !== 'transaction',
      ).length,
      crossingTransactions: crossings.filter((crossing) => crossing.kind === 'transaction').length,
      price: round(priceBoundaries({ references, objects }, home).price),
    };
  });
}
