/** How a transition is written down: one entry for itself (step `-`), one before and one after each of its steps. */
import type { Transition } from '../model/phases.js';
import type { JournalEntry } from '../state/state-store.js';
import type { StepContext, TransitionParameters } from './step-context.js';

export const TRANSITION_ITSELF = '-';
/** Step name of the notes about changes that reached a fenced side; their `transition` is the direction that found them. */
export const ROGUE_WRITE = 'rogue-write';
/** Step name of the note that settles every such write before it. */
export const ROGUE_DECISION = 'rogue-decision';
/** Step name of the notes about whoever used legacy's relations during the soak. */
export const LEGACY_ACCESS = 'legacy-access';

export function transitionLabel(transition: Pick<Transition, 'from' | 'to'>): string {
  return `${transition.from} -> ${transition.to}`;
}

export async function journal(
  context: StepContext,
  transition: Transition,
  step: string,
  event: JournalEntry['event'],
  detail: string | null = null,
  data: unknown = null,
): Promise<void> {
  await context.store.append(context.owner, {
    transition: transitionLabel(transition),
    step,
    event,
    detail,
    data,
  });
}

/** What the journal says of the attempt under way: everything since the transition was last begun. */
export interface Attempt {
  readonly parameters: TransitionParameters;
  /** Steps that were begun and not taken back, in the order in which they began. */
  readonly begun: readonly string[];
}

export function readAttempt(entries: readonly JournalEntry[], transition: Transition): Attempt {
  const label = transitionLabel(transition);
  const own = entries.filter((entry) => entry.transition === label);
  const start = own.findLastIndex((entry) => entry.step === TRANSITION_ITSELF && entry.event === 'started');
  const begun: string[] = [];
  for (const entry of start === -1 ? [] : own.slice(start + 1)) {
    if (entry.step === TRANSITION_ITSELF) continue;
    if (entry.event === 'started' && !begun.includes(entry.step)) begun.push(entry.step);
    if (entry.event === 'undone' && begun.includes(entry.step)) begun.splice(begun.indexOf(entry.step), 1);
  }
  return {
    parameters: ((own[start]?.data ?? {}) as { parameters?: TransitionParameters }).parameters ?? {},
    begun,
  };
}
