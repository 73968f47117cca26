/** An analysis as the HTML page's input. */
import type { Analysis } from '../../model/analysis.js';
import type { DatabaseSchema } from '../../model/database-schema.js';
import { SHARED_CARD, UNASSIGNED_CARD, homes } from './html-data.js';
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
  const sizes = new Map(schema.relations.map((relation) => [relation.id, relation]));
  return renderHtml({
    ...options,
    services: [...analysis.services.map((service) => service.name), SHARED_CARD, UNASSIGNED_CARD],
    relations: [...home].map(([id, service]) => ({
      id,
      service,
      rows: sizes.get(id)?.estimatedRows ?? null,
      bytes: sizes.get(id)?.bytes ?? null,
    })),
    edges: analysis.references
      .filter((reference) => home.has(reference.child) && home.has(reference.parent))
      .map((reference) => ({
        child: reference.child,
        parent: reference.parent,
        label: `${reference.child}.${reference.childColumns.join(', ')} -> ${reference.parent}`,
        cost: reference.cost,
        replacement: reference.replacement,
      })),
    bundles: analysis.objects
      .map((object) => ({ ...object, relations: object.relations.filter((relation) => home.has(relation)) }))
      .filter((object) => object.relations.length > 1),
    verdict: analysis.verdict.reasons.join(' '),
  });
}
