/** What a dry run tells, and how one waits until its guards say yes. */
import type { Leg } from '../migration/itinerary.js';
import type { Rehearsal } from '../migration/orchestrator.js';
import { mayPass, type GuardReport } from '../migration/refusals.js';
import type { Phase } from '../model/phases.js';

export interface RehearsalResult {
  readonly service: string;
  readonly phase: Phase;
  readonly legs: readonly (Rehearsal & {
    readonly from: Phase;
    readonly to: Phase;
    readonly kind: Leg['kind'];
    readonly summary: string;
    readonly confirmation: 'reversible' | 'irreversible';
  })[];
  /** What --confirm takes, when a transition on the way cannot be undone; void when the plan or the state changes. */
  readonly confirm: string | null;
  /** Every guard said yes. */
  readonly isReady: boolean;
}

/** All guards of the way, or those with these names. */
export type Ask = (only?: ReadonlySet<string>) => Promise<RehearsalResult>;

export const allSaidYes = (legs: RehearsalResult['legs']): boolean => refusedBy(legs).length === 0;

const refusedBy = (legs: RehearsalResult['legs']): readonly GuardReport[] =>
  legs.flatMap(({ guards }) => guards).filter((report) => report.result.outcome !== 'ok');

/**
 * Asks until every guard says yes, or one refuses that will not pass by itself, or `pause` says that it was enough. Those that said yes rest
 * meanwhile (one of them compares every row); once all have, everything is asked again in one round.
 * @param pause waits between two rounds; false ends it with the last answers as they are
 */
export async function askPatiently(
  ask: Ask,
  pause: (refused: readonly GuardReport[]) => Promise<boolean>,
): Promise<RehearsalResult> {
  for (;;) {
    let told = await ask();
    if (told.isReady) return told;
    while (!told.isReady) {
      const refused = refusedBy(told.legs);
      if (!mayPass(refused) || !(await pause(refused))) return told;
      const now = await ask(new Set(refused.map(({ guard }) => guard)));
      // Somebody has moved it meanwhile: another way, other guards.
      if (now.phase !== told.phase) break;
      told = updated(told, now);
    }
  }
}

/** What some guards say now, beside what the others said before. */
function updated(before: RehearsalResult, now: RehearsalResult): RehearsalResult {
  const answers = new Map(now.legs.flatMap(({ guards }) => guards).map((report) => [report.guard, report]));
  const legs = now.legs.map((leg, at) => ({
    ...leg,
    guards: (before.legs[at]?.guards ?? leg.guards).map((report) => answers.get(report.guard) ?? report),
  }));
  return { ...now, legs, isReady: allSaidYes(legs) };
}
