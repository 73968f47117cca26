/** The analysis of a schema: evidence → groups → named services, with prices, reasons, findings and a verdict. Pure. */
import type {
  Alternative,
  Analysis,
  AnalysisInput,
  Crossing,
  Reference,
  SharedObject,
} from '../model/analysis.js';
import { priceBoundaries } from '../model/boundary-price.js';
import { compareFindings } from '../model/finding.js';
import type { Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import { copyColumns, referenceCost, referenceReplacement } from './costs.js';
import { NO_EVIDENCE, type BoundaryEvidence } from './boundary-evidence.js';
import { budgetConnections } from './connection-budget.js';
import { collectEvidence, type Evidence, type EvidenceReference } from './evidence.js';
import { GRANULARITIES, partitionBeside } from './granularity.js';
import { freeLabels, labelCandidates, type Label } from './labels.js';
import { partition, pinnedGraph, type Grouping, type PinnedGraph } from './partition.js';
import { resolvePins } from './pins.js';
import { explainPlacements } from './placements.js';
import { RULES } from './rules/all.js';
import { referenceLabel, type RuleContext } from './rules/rule.js';
import { sharedRelations } from './shared-relations.js';
import { sharedObjects } from './shared-objects.js';
import { describeServices } from './service-profile.js';
import { judge } from './verdict.js';
import { nameResolver, type ResolvedUse } from './workload.js';

export { NO_EVIDENCE, type BoundaryEvidence } from './boundary-evidence.js';

/** @throws UsageError when pins contradict each other. */
export function analyzeBoundaries(input: AnalysisInput, given: BoundaryEvidence = NO_EVIDENCE): Analysis {
  const evidence = collectEvidence(input.schema, given);
  const pins = resolvePins(evidence.index, evidence.relations.length, input.pins);
  const graph = pinnedGraph(evidence, pins);
  const balanced = partition(graph, { granularity: GRANULARITIES.balanced });
  const grouping =
    input.servicesWanted === undefined
      ? partitionBeside(balanced, graph, { granularity: input.granularity })
      : partition(graph, input);
  const labels = labelGroups(evidence, grouping);
  const home = homesOf(evidence, grouping, labels);
  const shared = sharedRelations(evidence, home, input.pins.shared);
  const referenceData = new Set(shared.map((entry) => entry.relation));
  const readers = readersOf(given.workload);
  const references = evidence.references.map((reference) =>
    toReference(reference, evidence, referenceData, readers),
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
  const connections = budgetConnections(services.length, given.connections);
  const context: RuleContext = {
    schema: input.schema,
    evidence,
    services,
    home,
    references,
    objects,
    crossings,
    uses: given.workload,
    given,
    connections,
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
    connections,
    placements: explainPlacements(
      evidence,
      grouping,
      labels.map((label) => label.name),
      pins.pinned,
    ),
    alternatives: alternatives(evidence, graph, references, objects, input, { proposed: grouping, balanced }),
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

/** Statements by the relations of which they read columns. */
function readersOf(uses: readonly ResolvedUse[]): ReadonlyMap<RelationId, readonly ResolvedUse[]> {
  const readers = new Map<RelationId, ResolvedUse[]>();
  for (const use of uses)
    for (const relation of use.columns.keys()) {
      const known = readers.get(relation);
      if (known === undefined) readers.set(relation, [use]);
      else known.push(use);
    }
  return readers;
}

function toReference(
  reference: EvidenceReference,
  evidence: Evidence,
  referenceData: ReadonlySet<RelationId>,
  readers: ReadonlyMap<RelationId, readonly ResolvedUse[]>,
): Reference {
  const child = evidence.relations[reference.child] as Relation;
  const parent = evidence.relations[reference.parent] as Relation;
  const isReferenceData = referenceData.has(parent.id);
  const copies = isReferenceData ? [] : copyColumns(child.id, parent, readers.get(parent.id) ?? []);
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
    const services = servicesOf(object, home);
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

const servicesOf = (object: SharedObject, home: ReadonlyMap<RelationId, string>): readonly string[] =>
  [...new Set(object.relations.flatMap((relation) => home.get(relation) ?? []))].sort();

/** As many as findCrossings finds, which also says what each is. */
function countCrossings(
  references: readonly Reference[],
  objects: readonly SharedObject[],
  home: ReadonlyMap<RelationId, string>,
): Pick<Alternative, 'crossingReferences' | 'crossingJoins' | 'crossingTransactions'> {
  let crossingReferences = 0;
  for (const { child, parent } of references) {
    const [from, to] = [home.get(child), home.get(parent)];
    if (from !== to && from !== undefined && to !== undefined) crossingReferences += 1;
  }
  const crossing = objects.filter((object) => servicesOf(object, home).length > 1);
  const crossingTransactions = crossing.filter(({ kind }) => kind === 'transaction').length;
  return { crossingReferences, crossingJoins: crossing.length - crossingTransactions, crossingTransactions };
}

function alternatives(
  evidence: Evidence,
  graph: PinnedGraph,
  references: readonly Reference[],
  objects: readonly SharedObject[],
  input: AnalysisInput,
  { proposed, balanced }: { readonly proposed: Grouping; readonly balanced: Grouping },
): readonly Alternative[] {
  return (['coarse', 'balanced', 'fine'] as const).map((name): Alternative => {
    const isProposed = input.servicesWanted === undefined && input.granularity === GRANULARITIES[name];
    const grouping = isProposed
      ? proposed
      : partitionBeside(balanced, graph, { granularity: GRANULARITIES[name] });
    const labels = labelGroups(evidence, grouping);
    const home = homesOf(evidence, grouping, labels);
    return {
      name,
      services: labels
        .map((label, group) => ({
          name: label.name,
          relations: (grouping.groups[group] ?? []).map((at) => (evidence.relations[at] as Relation).id),
        }))
        .sort((a, b) => b.relations.length - a.relations.length || (a.name < b.name ? -1 : 1)),
      ...countCrossings(references, objects, home),
      price: round(priceBoundaries({ references, objects }, home).price),
    };
  });
}
