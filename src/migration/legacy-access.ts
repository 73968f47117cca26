/**
 * Who has used the legacy relations during the soak, dbps apart. A look sees the sessions that are there now; what came and went between two looks
 * is seen where the server counts statements. Each look that finds something is a note in the journal, and the guard before decommissioning reads
 * them: what was over long ago is no obstacle, what was used within the time of the soak is.
 */
import type { RelationAccess, RelationUsage } from '../engines/engine.js';
import type { JournalEntry, NewJournalEntry } from '../state/state-store.js';
import { LEGACY_ACCESS } from './journal.js';
import { relationsOn } from './shape.js';
import type { GuardContext, StepContext } from './step-context.js';

/** One look, as the journal holds it. */
interface AccessNote {
  /** The soak begins: whatever was counted before is no longer of interest. */
  readonly begins?: true;
  readonly used: readonly string[];
  readonly counts: Readonly<Record<string, number>> | null;
}

export interface Access {
  /** Sessions that are there now. */
  readonly sessions: readonly RelationAccess[];
  /** Statements counted since the last note. */
  readonly statements: readonly string[];
  readonly counts: Readonly<Record<string, number>> | null;
  /** Why the server's counters say nothing; null when they do. */
  readonly unknown: string | null;
}

export interface AccessHistory {
  /** null: no soak has begun, or it began before looks were written down. */
  readonly counts: Readonly<Record<string, number>> | null;
  readonly lastUsed: { readonly at: string; readonly by: readonly string[] } | null;
}

/** Pure: what the journal says since the soak began. */
export function readAccessHistory(history: readonly JournalEntry[]): AccessHistory {
  const notes = history.filter(({ step }) => step === LEGACY_ACCESS);
  const beginning = notes.findLastIndex(({ data }) => (data as AccessNote).begins === true);
  const since = notes.slice(Math.max(0, beginning));
  const last = since.findLast(({ data }) => (data as AccessNote).used.length > 0);
  return {
    counts: (since.at(-1)?.data as AccessNote | undefined)?.counts ?? null,
    lastUsed: last === undefined ? null : { at: last.at, by: (last.data as AccessNote).used },
  };
}

/** Pure. A counter that is lower than before was reset: what it shows has been counted since. */
export function countedSince(
  before: Readonly<Record<string, number>> | null,
  usage: RelationUsage,
): readonly string[] {
  if (before === null || usage.counts === null) return [];
  const found = new Map<string, number>();
  for (const { id, user, calls } of usage.counts) {
    const was = before[id] ?? 0;
    const more = calls >= was ? calls - was : calls;
    if (more > 0) found.set(user, (found.get(user) ?? 0) + more);
  }
  return [...found].map(([user, calls]) => `${user} (${calls} statements)`);
}

type Context = Pick<GuardContext | StepContext, 'legacy' | 'service' | 'maps' | 'store'>;

export async function lookForAccess(context: Context): Promise<Access & { readonly past: AccessHistory }> {
  const relations = relationsOn('legacy', context);
  const past = readAccessHistory(await context.store.history(context.service.name, 100_000));
  const sessions = await context.legacy.fence.access(relations);
  const usage = (await context.legacy.fence.usage?.(relations)) ?? {
    counts: null,
    reason: 'this server counts no statements',
  };
  return {
    past,
    sessions,
    statements: countedSince(past.counts, usage),
    counts:
      usage.counts === null ? null : Object.fromEntries(usage.counts.map(({ id, calls }) => [id, calls])),
    unknown: usage.counts === null ? (usage.reason ?? 'this server counts no statements') : null,
  };
}

/** What is to be written down of a look; null when it found nothing. */
export function accessNote(access: Access, begins: boolean): NewJournalEntry | null {
  const used = [
    ...new Set([
      ...access.sessions.map(({ user, relation }) => `${user} (${relation})`),
      ...access.statements,
    ]),
  ];
  if (!begins && used.length === 0) return null;
  const data: AccessNote = {
    ...(begins && { begins: true as const }),
    used: begins ? [] : used,
    counts: access.counts,
  };
  return {
    transition: 'sync',
    step: LEGACY_ACCESS,
    event: 'note',
    detail: begins ? 'watched from here on' : `legacy was used by ${used.slice(0, 5).join(', ')}`,
    data,
  };
}
