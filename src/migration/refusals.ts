/** A refusal by guards: an error for the caller that keeps what each of them said. */
import { RefusedError } from '../model/errors.js';
import type { GuardResult } from './step-context.js';

export interface GuardReport {
  readonly guard: string;
  readonly result: GuardResult;
}

export class GuardsRefusedError extends RefusedError {
  readonly guards: readonly GuardReport[];

  constructor(service: string, goal: string, guards: readonly GuardReport[]) {
    const refused = guards.filter((guard) => guard.result.outcome !== 'ok');
    const [first] = refused;
    super({
      code: first?.result.outcome === 'refused' ? first.result.code : 'DBPS_E324',
      message: `${service} cannot go to ${goal}: ${refused.map(describe).join('; ')}`,
      ...(first !== undefined && first.result.outcome !== 'ok' && { hint: first.result.hint }),
    });
    this.guards = guards;
  }
}

function describe({ guard, result }: GuardReport): string {
  return result.outcome === 'unknown'
    ? `${guard} could not be checked: ${result.detail}`
    : `${guard}: ${result.detail}`;
}

/** Every refusal may pass by itself, so that waiting makes sense. */
export function mayPass(refused: readonly GuardReport[]): boolean {
  return refused.length > 0 && refused.every(({ result }) => result.outcome === 'refused' && result.mayPass);
}
