/** The price of cutting a reference or an object over several relations, and what would take its place. */
import type { Relation } from '../model/database-schema.js';
import type { RelationId } from '../model/relation-id.js';
import type { EvidenceReference } from './evidence.js';
import { isAboutPeople, personalColumns } from './personal-data.js';
import { primaryKeyOf } from './relation-facts.js';
import type { ResolvedUse } from './workload.js';

/** Relative prices, comparable within one analysis: one is a nullable reference that nothing else says anything about. */
export const PRICES = {
  reference: 1,
  notNull: 1,
  cascade: 2,
  weak: 4,
  composite: 0.5,
  audit: 0.3,
  referenceTable: 0.4,
  undeclared: 0.6,
  view: 2,
  routineRead: 2,
  routineWrite: 5,
  trigger: 5,
  query: 1,
  transaction: 6,
} as const;

export function referenceCost(
  { traits, childColumns, origin }: EvidenceReference,
  isReferenceData: boolean,
): number {
  if (traits.isAudit) return PRICES.audit;
  if (isReferenceData) return PRICES.referenceTable;
  let cost = PRICES.reference;
  if (traits.isWeak) cost += PRICES.weak;
  if (!traits.isNullable) cost += PRICES.notNull;
  if (traits.onDelete === 'cascade') cost += PRICES.cascade;
  if (childColumns.length > 1) cost += PRICES.composite;
  return origin === 'inferred' ? cost * PRICES.undeclared : cost;
}

/** Busy statements cost more: each tenfold of calls adds one. */
export function statementCost(use: ResolvedUse): number {
  const busy = Math.log10(1 + use.calls);
  if (use.kind === 'transaction' && use.writes.length > 1) return PRICES.transaction + busy;
  return PRICES.query + busy + (use.writes.length > 1 ? PRICES.routineWrite : 0);
}

const DISPLAY_NAME =
  /^(?:name|title|label|code|slug|sku|symbol|number|display_name|short_name|iso_?\d?|abbreviation|reference|handle)$|_(?:name|title|code|number|sku)$/i;
const MOST_COPIES = 4;

/**
 * Columns of the parent that a copy beside the reference would need: those that views and statements read together with the child
 * and, among them, keys and display names only. Never personal data.
 */
export function copyColumns(
  child: RelationId,
  parent: Relation,
  /** Those that read columns of the parent. */
  uses: readonly ResolvedUse[],
): readonly string[] {
  const readTogether = new Set<string>();
  for (const use of uses) {
    const read = use.columns.get(parent.id);
    if (read !== undefined && (use.reads.includes(child) || use.writes.includes(child)))
      for (const column of read) readTogether.add(column);
  }
  if (readTogether.size === 0) return [];
  const personal = new Set(personalColumns(parent).map((column) => column.column));
  const key = new Set(primaryKeyOf(parent));
  const isSafe = (name: string): boolean =>
    !personal.has(name) && !key.has(name) && !(isAboutPeople(parent) && /name/i.test(name));
  const display = parent.columns
    .filter((column) => DISPLAY_NAME.test(column.name) && isSafe(column.name))
    .map((column) => column.name);
  return display.filter((name) => readTogether.has(name) || readTogether.has('*')).slice(0, MOST_COPIES);
}

export function referenceReplacement(
  { traits }: EvidenceReference,
  child: Relation,
  parent: Relation,
  copies: readonly string[],
  isReferenceData: boolean,
): string {
  if (isReferenceData)
    return `read-only copy: ${parent.name} is reference data, keep a copy of it in each service that reads it`;
  if (traits.isWeak) return `keep together: ${child.name} cannot exist without ${parent.name}`;
  if (traits.isAudit)
    return `plain id: keep the value; ask the service that owns ${parent.name} when somebody must be shown`;
  if (copies.length > 0)
    return `copied columns: keep ${copies.join(', ')} of ${parent.name} beside the id, refreshed by events`;
  if (traits.onDelete === 'cascade')
    return `event: when a row of ${parent.name} is deleted, its owner says so and ${child.name} deletes its own (a saga where both must succeed)`;
  if (traits.onDelete === 'set null' || traits.onDelete === 'set default')
    return `event: when a row of ${parent.name} is deleted, its owner says so and ${child.name} lets go of the id`;
  return traits.isNullable
    ? `API call: ask for ${parent.name} by id where it is shown; a missing row is not an error`
    : `API call: check that the row of ${parent.name} exists when one of ${child.name} is written; look for orphans by a scheduled check`;
}
