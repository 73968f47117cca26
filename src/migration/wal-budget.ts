/** How much log the source keeps because of dbps, against what the user allows. */
import { RefusedError } from '../model/errors.js';
import type { GuardContext, StepContext } from './step-context.js';

type Context = Pick<StepContext | GuardContext, 'service' | 'settings' | 'legacy' | 'target'>;

/** Of the budget: before it is exceeded, not after. */
const ALARM = 0.9;

export interface RetainedLog {
  readonly direction: 'forward' | 'reverse';
  /** As CaptureStatus has it. */
  readonly name: string;
  readonly bytes: number;
}

/** Streams that keep nearly as much as they may, or more. */
export async function overBudget(context: Context): Promise<readonly RetainedLog[]> {
  const found: RetainedLog[] = [];
  for (const direction of ['forward', 'reverse'] as const) {
    const from = direction === 'forward' ? context.legacy : context.target;
    const status = await from.changes.status({ service: context.service.name, direction });
    const bytes = status?.retainedBytes ?? 0;
    if (bytes >= context.settings.walBudgetBytes * ALARM) {
      found.push({ direction, name: status?.name ?? direction, bytes });
    }
  }
  return found;
}

export function describeRetained(log: RetainedLog, budget: number): string {
  return `${log.name} keeps ${megabytes(log.bytes)} of the log; the budget is ${megabytes(budget)}`;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000).toLocaleString('en')} MB`;

/** @throws RefusedError E313 */
export async function assertWithinWalBudget(context: Context): Promise<void> {
  const [first] = await overBudget(context);
  if (first === undefined) return;
  throw new RefusedError({
    code: 'DBPS_E313',
    message: describeRetained(first, context.settings.walBudgetBytes),
    hint: 'raise migration.walBudget if the disk allows it, then run the same command again',
  });
}
