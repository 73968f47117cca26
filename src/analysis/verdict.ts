/** Whether the split is worth it, said plainly, with the figures it rests on. */
import type { Crossing, ProposedService, Reference, SharedObject, Verdict } from '../model/analysis.js';

export interface VerdictInput {
  readonly relations: number;
  readonly services: readonly ProposedService[];
  readonly references: readonly Reference[];
  readonly objects: readonly SharedObject[];
  readonly crossings: readonly Crossing[];
  readonly hasReferences: boolean;
  readonly hasWorkload: boolean;
}

/** Fewer relations than this are one service's. */
export const FEWEST_RELATIONS = 10;
/** Share of the price of everything that the cut would have to pay: authors' own modules cut 22–63 % of their keys. */
export const KEEP_ABOVE = 0.55;
export const SCHEMAS_ABOVE = 0.35;
/** Share of transactions that would write several databases. */
export const KEEP_TRANSACTIONS_ABOVE = 0.5;
export const SCHEMAS_TRANSACTIONS_ABOVE = 0.2;
const LEAST_CONFIDENCE = 0.5;

const percent = (share: number): string => `${Math.round(share * 100)} %`;

export function judge(input: VerdictInput): Verdict {
  const { relations, services, crossings } = input;
  if (relations === 0) return { advice: 'keep', reasons: ['there are no tables'] };
  if (relations < FEWEST_RELATIONS)
    return {
      advice: 'keep',
      reasons: [`${relations} tables are one service's: splitting them costs more than it can give`],
    };
  if (services.length === 0)
    return {
      advice: 'keep',
      reasons: [
        'nothing ties one table to another: no reference, no word that only some names share, no use',
      ],
    };
  if (services.length < 2)
    return { advice: 'keep', reasons: ['everything hangs together: no boundary was found'] };
  const all = total(input.references) + total(input.objects);
  const paid = crossings.reduce((sum, crossing) => sum + crossing.cost, 0);
  const share = all === 0 ? 0 : Math.min(1, paid / all);
  const transactions = input.objects.filter((object) => object.kind === 'transaction');
  const across = crossings.filter((crossing) => crossing.kind === 'transaction');
  const shareAcross = transactions.length === 0 ? 0 : across.length / transactions.length;
  const confidence =
    services.reduce((sum, service) => sum + service.confidence * service.relations.length, 0) /
    Math.max(
      1,
      services.reduce((sum, service) => sum + service.relations.length, 0),
    );
  const reasons = [
    `${crossings.length} of ${input.references.length + input.objects.length} references and shared objects cross a boundary, ${percent(share)} of their price`,
  ];
  if (transactions.length > 0)
    reasons.push(`${across.length} of ${transactions.length} kinds of transactions write several services`);
  if (!input.hasReferences)
    reasons.push(
      'the schema declares no references: this rests on names and use alone, have it reviewed table by table',
    );
  if (!input.hasWorkload)
    reasons.push(
      'no workload was given: joins and transactions across services are not counted (--log, pg_stat_statements, --observe)',
    );
  reasons.push(`the runs agree on ${percent(confidence)} of the placements`);
  if (share > KEEP_ABOVE || shareAcross > KEEP_TRANSACTIONS_ABOVE)
    return {
      advice: 'keep',
      reasons: [`do not split: most of what ties the tables would be cut`, ...reasons],
    };
  if (
    share > SCHEMAS_ABOVE ||
    shareAcross > SCHEMAS_TRANSACTIONS_ABOVE ||
    confidence < LEAST_CONFIDENCE ||
    !input.hasReferences
  )
    return {
      advice: 'schemas',
      reasons: [
        'stay with one schema for each service in one database first: boundaries are held by grants, and moving one costs no migration',
        ...reasons,
      ],
    };
  return { advice: 'split', reasons: ['the boundaries hold: most ties stay inside', ...reasons] };
}

const total = (priced: readonly { readonly cost: number }[]): number =>
  priced.reduce((sum, { cost }) => sum + cost, 0);
