/**
 * What the journal knows of verifications. A full one counts until the relations are copied again: every row that changes after it is in
 * the durable set of changed keys, so the two together cover everything.
 */
import type { VerifyResult } from '../model/verification.js';
import type { JournalEntry, StateStore } from '../state/state-store.js';
import type { StepContext } from './step-context.js';

export const VERIFICATION = 'verification';

export async function recordVerification(
  context: Pick<StepContext, 'store' | 'owner'>,
  result: VerifyResult,
): Promise<void> {
  const { mode, isEqual, durationMs } = result;
  const rows = result.relations.reduce((sum, relation) => sum + relation.rows, 0);
  await context.store.append(context.owner, {
    transition: mode,
    step: VERIFICATION,
    event: 'note',
    detail: isEqual ? `${rows} rows are equal` : summarise(result),
    data: { mode, isEqual, rows, durationMs },
  });
}

export async function hasFullVerification(store: StateStore, service: string): Promise<boolean> {
  return lastFull(await store.history(service)) !== undefined;
}

function lastFull(entries: readonly JournalEntry[]): JournalEntry | undefined {
  const copied = entries.findLastIndex((entry) => entry.step === 'copy' && entry.event === 'started');
  return entries
    .slice(copied + 1)
    .findLast(
      (entry) =>
        entry.step === VERIFICATION &&
        entry.transition === 'full' &&
        (entry.data as { isEqual?: boolean }).isEqual,
    );
}

/** What differs, in a line. */
export function summarise(result: VerifyResult): string {
  const parts = result.relations
    .filter((relation) => relation.differing > 0 || relation.unsettled > 0)
    .map((relation) =>
      relation.differing > 0
        ? `${relation.relation} differs in ${relation.differing} ${relation.differing === 1 ? 'row' : 'rows'}`
        : `${relation.relation} changed too fast to be compared (${relation.unsettled} rows)`,
    );
  parts.push(...result.orphans.map((orphan) => `${orphan.label} has orphans`));
  if (result.shape.outcome === 'differs') parts.push('the schemas differ');
  return parts.length === 0 ? 'nothing differs' : parts.join('; ');
}
