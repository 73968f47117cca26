/**
 * What a long-lived runner looks at between requests. Reading and judging only: what it finds blocks the service with a reason that says what
 * to do, and unblocks it when it has passed.
 */
import { alteredRemedy, findAlteredCaptures } from './capture.js';
import { accessNote, lookForAccess } from './legacy-access.js';
import type { MoveContext } from './move-context.js';
import { describeShapeChanges, findShapeChanges, shapeRemedy } from './shape.js';
import type { GuardContext, ReplicationStatus, StepContext } from './step-context.js';
import { describeRetained, overBudget } from './wal-budget.js';

const ACCESS_NOTE_EVERY_MS = 600_000;

export interface Trouble {
  readonly what: 'log' | 'schema' | 'stream' | 'rogue';
  readonly reason: string;
}

/** A stream that has ended by itself: lost, refused, or a row that cannot be applied. */
export function assessStreams(streams: readonly (readonly [string, ReplicationStatus])[]): Trouble | null {
  for (const [direction, status] of streams) {
    if (status.error !== null) {
      return { what: 'stream', reason: `${direction} replication has stopped: ${status.error.message}` };
    }
  }
  return null;
}

export async function watchLog(context: GuardContext | MoveContext): Promise<Trouble | null> {
  const [first] = await overBudget(context);
  if (first === undefined) return null;
  return { what: 'log', reason: describeRetained(first, context.settings.walBudgetBytes) };
}

export async function watchCapture(context: GuardContext): Promise<Trouble | null> {
  const [first] = await findAlteredCaptures(context);
  return first === undefined ? null : { what: 'schema', reason: `${first}; ${alteredRemedy(context)}` };
}

/** During the soak: whoever uses legacy is written down, so that a read that is over by the end of it is still known. */
export async function watchAccess(context: StepContext): Promise<void> {
  const access = await lookForAccess(context);
  const { lastUsed } = access.past;
  // Whoever uses it all day long needs no note for every look.
  if (lastUsed !== null && context.now() - Date.parse(lastUsed.at) < ACCESS_NOTE_EVERY_MS) return;
  const note = accessNote(access, false);
  if (note !== null) await context.store.append(context.owner, note);
}

export async function watchSchema(context: GuardContext): Promise<Trouble | null> {
  const { legacy, target, service, maps, store } = context;
  const shapes = await store.shapes(service.name);
  const changes = await findShapeChanges({ legacy, target, service, maps, shapes });
  if (changes.length === 0) return null;
  return {
    what: 'schema',
    reason: `the schema has changed: ${describeShapeChanges(changes)}; ${shapeRemedy(service.name, changes)}`,
  };
}
