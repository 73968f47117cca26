/** From where a service is to where it shall be: which transitions of the table, or why not. Pure. */
import { RefusedError } from '../model/errors.js';
import {
  backTransition,
  nextTransition,
  PHASES,
  TRANSITIONS,
  type Phase,
  type Transition,
} from '../model/phases.js';
import type { ServiceState } from '../state/state-store.js';

export type Leg =
  | { readonly kind: 'carry-out'; readonly transition: Transition }
  /** Undo a transition that was begun and not finished. */
  | { readonly kind: 'take-back'; readonly transition: Transition };

type Place = Pick<ServiceState, 'service' | 'phase' | 'target'>;

/** @throws RefusedError E304 (no such way) or E307 (another transition is under way). Empty: it is there already. */
export function planAdvance(state: Place, to: Phase | undefined, isRepeat: boolean): readonly Leg[] {
  const underWay = transitionUnderWay(state);
  if (underWay !== undefined) {
    if (underWay.direction === 'back' || (to !== undefined && to !== underWay.to))
      throw otherUnderWay(state, underWay);
    return [{ kind: 'carry-out', transition: underWay }];
  }
  if (to === state.phase) {
    const again = TRANSITIONS.find((t) => t.to === to && t.direction === 'forward');
    // A share of reads is raised with the same command.
    return isRepeat && again !== undefined ? [{ kind: 'carry-out', transition: again }] : [];
  }
  const next = nextTransition(state.phase);
  if (next === undefined || (to !== undefined && to !== next.to)) throw noWay(state, to, next);
  return [{ kind: 'carry-out', transition: next }];
}

/** One transition back, or as many as it takes to `to`. A transition that was begun and not finished is taken back first. */
export function planRollback(state: Place, to: Phase | undefined): readonly Leg[] {
  const legs: Leg[] = [];
  let phase = state.phase;
  const underWay = transitionUnderWay(state);
  if (underWay?.direction === 'forward') {
    legs.push({ kind: 'take-back', transition: underWay });
    if (to === undefined || to === phase) return legs;
  } else if (underWay !== undefined) {
    legs.push({ kind: 'carry-out', transition: underWay });
    phase = underWay.to;
    if (to === undefined) return legs;
  }
  if (to !== undefined && PHASES.indexOf(to) > PHASES.indexOf(phase))
    throw noWay(state, to, backTransition(phase));
  do {
    if (phase === to) return legs;
    const back = backTransition(phase);
    if (back === undefined) throw noWay(state, to, undefined);
    if (to !== undefined && PHASES.indexOf(back.to) < PHASES.indexOf(to)) throw noWay(state, to, back);
    legs.push({ kind: 'carry-out', transition: back });
    phase = back.to;
  } while (to !== undefined);
  return legs;
}

/** Back to planned, from any phase before write-cutover. @throws RefusedError E304 from a later one. */
export function planAbort(state: Place): readonly Leg[] {
  if (PHASES.indexOf(state.phase) >= PHASES.indexOf('write-cutover')) {
    throw new RefusedError({
      code: 'DBPS_E304',
      message: `${state.service} is in ${state.phase}: its database owns the writes, so it is rolled back, not aborted`,
      hint: `dbps rollback ${state.service}`,
    });
  }
  return planRollback(state, 'planned');
}

export function transitionUnderWay(state: Place): Transition | undefined {
  if (state.target === null) return undefined;
  const found = TRANSITIONS.find((t) => t.from === state.phase && t.to === state.target);
  // A repeated one (a share of reads) ends in the phase it began in.
  return found ?? TRANSITIONS.find((t) => t.to === state.target && t.direction === 'forward');
}

function noWay(state: Place, to: Phase | undefined, next: Transition | undefined): RefusedError {
  return new RefusedError({
    code: 'DBPS_E304',
    message: `${state.service} is in ${state.phase}; there is no transition from there${to === undefined ? '' : ` to ${to}`}`,
    hint:
      next === undefined
        ? `dbps status ${state.service}`
        : next.direction === 'forward'
          ? `dbps migrate advance ${state.service} --to ${next.to}`
          : `dbps rollback ${state.service} --to ${next.to}`,
  });
}

function otherUnderWay(state: Place, underWay: Transition): RefusedError {
  return new RefusedError({
    code: 'DBPS_E307',
    message: `${state.service} is on its way from ${underWay.from} to ${underWay.to}`,
    hint:
      underWay.direction === 'forward'
        ? `dbps migrate advance ${state.service} --to ${underWay.to}`
        : `dbps rollback ${state.service} --to ${underWay.to}`,
  });
}

/** What must be typed for a transition that cannot be undone; void when the plan or the state is another by then. */
export function confirmationToken(state: Pick<ServiceState, 'service' | 'planHash' | 'epoch'>): string {
  return `${state.service}@${state.planHash}.e${state.epoch}`;
}
