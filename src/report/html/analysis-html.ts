/** An analysis as the HTML page's input. */
import type { Analysis, Placement } from '../../model/analysis.js';
import type { DatabaseSchema } from '../../model/database-schema.js';
import { sameProposals } from '../alternatives.js';
import { ADVICE, connectionsText, serviceProfile } from '../service-profile.js';
import { SHARED_CARD, UNASSIGNED_CARD, homes, type HtmlRelation } from './html-data.js';
import { renderHtml } from './html-report.js';

export interface AnalysisHtmlOptions {
  readonly title: string;
  readonly generatedAt: string;
}

export async function renderAnalysisHtml(
  analysis: Analysis,
  schema: Pick<DatabaseSchema, 'relations'>,
  options: AnalysisHtmlOptions,
): Promise<string> {
  const home = homes(analysis);
  const placements = new Map(analysis.placements.map((placement) => [placement.relation, placement]));
  const sizes = new Map(schema.relations.map((relation) => [relation.id, relation]));
  return renderHtml({
    ...options,
    services: [...analysis.services.map((service) => service.name), SHARED_CARD, UNASSIGNED_CARD],
    relations: [...home].map(([id, service]) => ({
      id,
      service,
      rows: sizes.get(id)?.estimatedRows ?? null,
      bytes: sizes.get(id)?.bytes ?? null,
      ...placementOf(placements.get(id)),
    })),
    edges: analysis.references
      .filter((reference) => home.has(reference.child) && home.has(reference.parent))
      .map((reference) => ({
        child: reference.child,
        parent: reference.parent,
        label: `${reference.child}.${reference.childColumns.join(', ')} → ${reference.parent}`,
        cost: reference.cost,
        replacement: reference.replacement,
      })),
    bundles: analysis.objects
      .map((object) => ({ ...object, relations: object.relations.filter((relation) => home.has(relation)) }))
      .filter((object) => object.relations.length > 1),
    verdict: `${ADVICE[analysis.verdict.advice].replace(/\.$/, ':')} ${analysis.verdict.reasons.join('; ')}.`,
    profiles: Object.fromEntries(
      analysis.services.map((service) => [service.name, serviceProfile(service, analysis.connections)]),
    ),
    alternatives: analysis.alternatives.map((alternative) => ({
      name: alternative.name,
      services: alternative.services.length,
      references: alternative.crossingReferences,
      joins: alternative.crossingJoins,
      transactions: alternative.crossingTransactions,
      price: alternative.price,
    })),
    sameProposals: sameProposals(analysis.alternatives) ?? null,
    connections: connectionsText(analysis.connections, analysis.services.length),
  });
}

const MOST_REASONS = 4;

function placementOf(placement: Placement | undefined): Pick<HtmlRelation, 'placement'> {
  if (placement === undefined) return {};
  const { confidence, isPinned, why, runnerUp } = placement;
  return {
    placement: {
      confidence,
      isPinned,
      why: why.slice(0, MOST_REASONS).map(({ what }) => what),
      runnerUp: runnerUp?.service ?? null,
    },
  };
}
