/** The result of moving a service, for every command that does. */
import type { PerformResult } from '../app/perform.js';
import type { Phase } from '../model/phases.js';
import { moveText } from '../report/text/migrate.js';
import type { CutoverFacts, MoveReport } from './results.js';
import type { Outcome } from './runner.js';

export function moveOutcome(result: PerformResult): Outcome<MoveReport> {
  const { service, phase } = result;
  const cutover = cutoverOf(result);
  return {
    result: { ...result, cutover },
    isYes: true,
    nextSteps: [result.by === 'filed' ? `dbps status ${service}` : nextStep(service, phase)],
    text: (style) => moveText(result, cutover, style),
  };
}

/** What the switch itself measured. */
function cutoverOf({ transitions }: PerformResult): CutoverFacts | null {
  const found = transitions
    .flatMap(({ steps }) => steps)
    .findLast(
      ({ step, outcome }) =>
        outcome === 'done' && (step === 'switch-writes' || step === 'switch-writes-back'),
    );
  return found === undefined ? null : found.details;
}

/** What one would do next from a phase. */
export function nextStep(service: string, phase: Phase): string {
  switch (phase) {
    case 'planned':
      return `dbps migrate advance ${service} --to provisioned`;
    case 'provisioned':
      return `dbps migrate advance ${service} --to dual-write`;
    case 'dual-write':
      return `dbps migrate advance ${service} --to read-cutover --reads 10`;
    case 'read-cutover':
      return `dbps migrate advance ${service} --to write-cutover --dry-run`;
    case 'write-cutover':
      return `dbps migrate advance ${service} --to sync`;
    case 'sync':
      return `dbps migrate advance ${service} --to decommissioned --dry-run`;
    case 'decommissioned':
      return 'dbps doctor';
  }
}
