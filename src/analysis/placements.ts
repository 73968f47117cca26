/** Why each relation stands where it does: the evidence on both sides, how sure, and what would move it. */
import type { Placement } from '../model/analysis.js';
import type { RelationId } from '../model/relation-id.js';
import type { EvidenceEdge } from './edges.js';
import type { Evidence } from './evidence.js';
import type { Grouping } from './partition.js';

const MOST_REASONS = 5;

export function explainPlacements(
  evidence: Evidence,
  grouping: Grouping,
  names: readonly string[],
  pinned: ReadonlySet<number>,
): readonly Placement[] {
  const edgesOf = evidence.relations.map(() => [] as EvidenceEdge[]);
  for (const edge of evidence.edges) {
    edgesOf[edge.a]?.push(edge);
    edgesOf[edge.b]?.push(edge);
  }
  const placements = evidence.relations.map((relation, at): Placement => {
    const group = grouping.groupOf[at] as number;
    const edges = edgesOf[at] as EvidenceEdge[];
    const towards = (wanted: number): EvidenceEdge[] =>
      edges.filter((edge) => wanted !== -1 && grouping.groupOf[edge.a === at ? edge.b : edge.a] === wanted);
    const runner = grouping.runnerUp[at] ?? nextByWeight(at, group, edges, grouping);
    const own = towards(group);
    const other = runner === null ? [] : towards(runner.group);
    const confidence = grouping.confidence[at] as number;
    const isPinned = pinned.has(at);
    return {
      relation: relation.id,
      service: group === -1 ? null : (names[group] as string),
      confidence: Math.round(confidence * 100) / 100,
      isPinned,
      why: isPinned
        ? [{ what: 'you said so', weight: 1 }, ...reasons(own, at, evidence)]
        : reasons(own, at, evidence),
      runnerUp:
        runner === null
          ? null
          : {
              service: names[runner.group] as string,
              share: Math.round(runner.share * 100) / 100,
              why: reasons(other, at, evidence),
            },
      wouldMove: wouldMove(
        relation.id,
        own,
        other,
        runner === null ? null : (names[runner.group] as string),
        isPinned,
      ),
    };
  });
  return placements.sort((a, b) => a.confidence - b.confidence || (a.relation < b.relation ? -1 : 1));
}

function nextByWeight(
  at: number,
  group: number,
  edges: readonly EvidenceEdge[],
  grouping: Grouping,
): { group: number; share: number } | null {
  const weights = new Map<number, number>();
  for (const edge of edges) {
    const other = grouping.groupOf[edge.a === at ? edge.b : edge.a] as number;
    if (other !== group && other !== -1) weights.set(other, (weights.get(other) ?? 0) + edge.weight);
  }
  const best = [...weights].sort(([a, x], [b, y]) => y - x || a - b)[0];
  return best === undefined ? null : { group: best[0], share: 0 };
}

function reasons(
  edges: readonly EvidenceEdge[],
  at: number,
  evidence: Evidence,
): { what: string; weight: number }[] {
  const byWhat = new Map<string, number>();
  for (const edge of edges) {
    const other = evidence.relations[edge.a === at ? edge.b : edge.a]?.name ?? '';
    const what =
      edge.kind === 'reference' || edge.kind === 'history'
        ? edge.detail
        : edge.kind === 'columns' || edge.detail === 'names alike' || edge.kind === 'workload'
          ? `${edge.detail}: ${other}`
          : edge.detail;
    byWhat.set(what, (byWhat.get(what) ?? 0) + edge.weight);
  }
  return [...byWhat]
    .map(([what, weight]) => ({ what, weight: Math.round(weight * 1000) / 1000 }))
    .sort((a, b) => b.weight - a.weight || (a.what < b.what ? -1 : 1))
    .slice(0, MOST_REASONS);
}

function wouldMove(
  relation: RelationId,
  own: readonly EvidenceEdge[],
  other: readonly EvidenceEdge[],
  runner: string | null,
  isPinned: boolean,
): string[] {
  if (isPinned) return ['only you: it is pinned'];
  if (runner === null) return ['nothing else refers to it, and it refers to nothing else'];
  const sum = (edges: readonly EvidenceEdge[]): number =>
    edges.reduce((total, edge) => total + edge.weight, 0);
  const gap = sum(own) - sum(other);
  const strongest = [...own].sort((a, b) => b.weight - a.weight || (a.detail < b.detail ? -1 : 1))[0];
  return [
    ...(gap > 0
      ? [
          `${gap.toFixed(1)} more weight towards ${runner}: about ${Math.max(1, Math.round(gap / 1.5))} references or statements that use both`,
        ]
      : [`a little more weight: ${runner} already pulls as much by itself`]),
    ...(strongest?.kind === 'reference'
      ? [`without ${strongest.detail} it would stand closer to ${runner}`]
      : []),
    `your word: services.${runner}.relations: [${relation}]`,
  ];
}
