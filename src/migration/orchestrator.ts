/**
 * Carries out one transition of model/phases.ts: guards, then steps, each check → do → verify, journalled before and after, so that
 * whoever holds the lease next finds out from the databases what is done and goes on, or takes it back. Knows no step by name.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DbpsError, InterruptedError, RefusedError } from '../model/errors.js';
import type { Transition } from '../model/phases.js';
import type { ServiceState } from '../state/state-store.js';
import { interruption, stopIfAborted } from './interruption.js';
import { journal, readAttempt, TRANSITION_ITSELF } from './journal.js';
import { GuardsRefusedError, mayPass, type GuardReport } from './refusals.js';
import type { Guard, GuardContext, PlannedAction, Step, StepContext } from './step-context.js';

/** Everything one transition is carried out with. `catalogue` is migration/catalogue.ts outside tests. */
export interface Run {
  readonly transition: Transition;
  readonly state: ServiceState;
  readonly context: StepContext;
  readonly guardContext: GuardContext;
  readonly catalogue: Catalogue;
  /** How long guards that may pass by themselves are asked again without `--wait`: a runner that has just begun catches up. */
  readonly settleMs: number;
  /** Told which step is under way, for status. */
  readonly onStep: (progress: {
    step: string | null;
    index: number;
    of: number;
    waitingFor: string | null;
  }) => void;
}

export interface Catalogue {
  guard(name: string): Guard;
  step(name: string): Step;
}

export interface TransitionResult {
  readonly from: string;
  readonly to: string;
  readonly guards: readonly GuardReport[];
  readonly steps: readonly StepResult[];
  readonly durationMs: number;
}

export interface StepResult {
  readonly step: string;
  readonly outcome: 'done' | 'already' | 'undone';
  readonly durationMs: number;
  readonly details: Readonly<Record<string, unknown>>;
}

const POLL_MS = 250;

/** @throws GuardsRefusedError (nothing changed), InterruptedError (safe to run again), or what a step failed with. */
export async function carryOut(run: Run): Promise<TransitionResult> {
  const { transition, context, state } = run;
  const began = context.now();
  const isResumed = state.target === transition.to;
  // A share of reads is raised by the same transition again: it begins where it ends.
  const from = state.phase === transition.to ? state.phase : transition.from;
  const steps = transition.steps.map((name) => run.catalogue.step(name));
  const isCommitted = isResumed && (await passedCommitPoint(steps, context));
  const guards = isCommitted ? [] : await passGuards(run, isResumed);

  if (!isResumed) {
    await journal(context, transition, TRANSITION_ITSELF, 'started', null, {
      parameters: context.parameters,
      guards,
    });
  }
  await context.store.update(context.owner, { target: transition.to, activity: 'running', reason: null });
  await context.at('transition.begun');

  const results: StepResult[] = [];
  for (const [index, step] of steps.entries()) {
    run.onStep({ step: step.name, index, of: steps.length, waitingFor: null });
    results.push(await carryOutStep(run, step));
  }
  await context.at('transition.before-phase');
  await context.store.update(context.owner, {
    phase: transition.to,
    target: null,
    activity: 'idle',
    reason: null,
  });
  await journal(context, transition, TRANSITION_ITSELF, 'done', null, { durationMs: context.now() - began });
  run.onStep({ step: null, index: 0, of: 0, waitingFor: null });
  if (from !== transition.to)
    context.emit({ type: 'phase', service: context.service.name, from, to: transition.to });
  await context.at('transition.after-phase');
  return {
    from,
    to: transition.to,
    guards,
    steps: results,
    durationMs: context.now() - began,
  };
}

/**
 * Takes back a transition that was begun and not finished, latest step first.
 * @throws RefusedError E307 past its commit point: from there it can only be finished.
 */
export async function takeBack(run: Run): Promise<TransitionResult> {
  const { transition, context } = run;
  const began = context.now();
  const steps = transition.steps.map((name) => run.catalogue.step(name));
  if (await passedCommitPoint(steps, context)) {
    throw new RefusedError({
      code: 'DBPS_E307',
      message: `${context.service.name} is past the commit point of ${transition.from} -> ${transition.to}; it can only be finished`,
      hint: `dbps ${transition.direction === 'back' ? 'rollback' : 'migrate advance'} ${context.service.name} --to ${transition.to}`,
    });
  }
  const { begun } = readAttempt(await context.store.history(context.service.name), transition);
  const results: StepResult[] = [];
  for (const name of begun.toReversed()) {
    const step = run.catalogue.step(name);
    stopIfAborted(context.signal, `before ${name} was taken back`);
    run.onStep({ step: `undo ${name}`, index: results.length, of: begun.length, waitingFor: null });
    const start = context.now();
    await context.at(`${name}.before-undo`);
    await attempt(run, step, async () => step.undo?.(context));
    await context.at(`${name}.undone`);
    const durationMs = context.now() - start;
    await journal(context, transition, name, 'undone', null, { durationMs });
    context.emit({ type: 'step', service: context.service.name, step: name, state: 'undone' });
    results.push({ step: name, outcome: 'undone', durationMs, details: {} });
  }
  await context.store.update(context.owner, { target: null, activity: 'idle', reason: null });
  await journal(context, transition, TRANSITION_ITSELF, 'undone');
  run.onStep({ step: null, index: 0, of: 0, waitingFor: null });
  return {
    from: transition.to,
    to: transition.from,
    guards: [],
    steps: results,
    durationMs: context.now() - began,
  };
}

export interface Rehearsal {
  readonly guards: readonly GuardReport[];
  readonly actions: readonly (PlannedAction & { readonly step: string })[];
}

/** --dry-run: every guard, every statement; no lease, nothing written. */
export async function rehearse(
  transition: Transition,
  context: GuardContext,
  catalogue: Catalogue,
): Promise<Rehearsal> {
  const guards: GuardReport[] = [];
  for (const name of transition.guards) guards.push(await ask(catalogue.guard(name), context));
  const actions: (PlannedAction & { step: string })[] = [];
  for (const name of transition.steps) {
    for (const action of await catalogue.step(name).describe(context))
      actions.push({ ...action, step: name });
  }
  return { guards, actions };
}

async function carryOutStep(run: Run, step: Step): Promise<StepResult> {
  const { context, transition } = run;
  const service = context.service.name;
  stopIfAborted(context.signal, `before ${step.name}`);
  const start = context.now();
  return attempt(run, step, async () => {
    if ((await step.check(context)) === 'done') {
      context.emit({ type: 'step', service, step: step.name, state: 'skipped', detail: 'done already' });
      return { step: step.name, outcome: 'already', durationMs: context.now() - start, details: {} };
    }
    await journal(context, transition, step.name, 'started');
    context.emit({ type: 'step', service, step: step.name, state: 'started' });
    await context.at(`${step.name}.before`);
    const details = (await step.do(context)) ?? {};
    await context.at(`${step.name}.done`);
    await step.verify(context);
    const durationMs = context.now() - start;
    await journal(context, transition, step.name, 'done', null, { durationMs, ...details });
    context.emit({ type: 'step', service, step: step.name, state: 'done' });
    await context.at(`${step.name}.after`);
    return { step: step.name, outcome: 'done', durationMs, details };
  });
}

/** Writes down why a step did not come to its end, as far as that can still be written, and says it in one of three ways. */
async function attempt<T>(run: Run, step: Step, work: () => Promise<T>): Promise<T> {
  const { context, transition } = run;
  try {
    return await work();
  } catch (cause) {
    const error = context.signal.aborted ? interruption(context.signal, `in ${step.name}`, cause) : cause;
    // A replaced runner has nothing to say, and its store refuses it anyway.
    if (error instanceof DbpsError && error.code === 'DBPS_E301') throw error;
    const message = error instanceof Error ? error.message : String(error);
    const activity =
      error instanceof InterruptedError ? 'idle' : error instanceof RefusedError ? 'blocked' : 'failed';
    try {
      await journal(
        context,
        transition,
        step.name,
        error instanceof InterruptedError ? 'note' : 'failed',
        message,
      );
      await context.store.update(context.owner, { activity, reason: `${step.name}: ${message}` });
    } catch {
      // The first error is the one to tell; the next runner finds the state from the databases.
    }
    if (!(error instanceof InterruptedError)) {
      context.emit({
        type: 'step',
        service: context.service.name,
        step: step.name,
        state: 'failed',
        detail: message,
      });
    }
    throw error;
  }
}

async function passGuards(run: Run, isResumed: boolean): Promise<readonly GuardReport[]> {
  const { transition, guardContext, context } = run;
  const guards = transition.guards
    .map((name) => run.catalogue.guard(name))
    .filter((guard) => !isResumed || guard.when === 'always');
  const reports = new Map<string, GuardReport>();
  const settled = context.now() + run.settleMs;
  let hasWaited = false;
  for (;;) {
    stopIfAborted(context.signal, 'while asking the guards');
    for (const guard of guards) {
      // While one is waited for, those that said yes rest; once all have, everything is asked again in one round.
      if (reports.get(guard.name)?.result.outcome === 'ok') continue;
      run.onStep({ step: guard.name, index: 0, of: transition.steps.length, waitingFor: null });
      reports.set(guard.name, await ask(guard, guardContext));
    }
    const all = [...reports.values()];
    const refused = all.filter((report) => report.result.outcome !== 'ok');
    if (refused.length === 0 && !hasWaited) return all;
    if (refused.length === 0) {
      hasWaited = false;
      reports.clear();
      continue;
    }
    hasWaited = true;
    const isPatient = context.parameters.wait === true || context.now() < settled;
    if (!mayPass(refused) || !isPatient) {
      const error = new GuardsRefusedError(context.service.name, transition.to, all);
      if (isResumed)
        await context.store.update(context.owner, { activity: 'blocked', reason: error.message });
      throw error;
    }
    const detail = refused.map(({ guard, result }) => `${guard}: ${result.detail}`).join('; ');
    const waitingFor = refused.map(({ guard }) => guard).join(', ');
    run.onStep({ step: null, index: 0, of: transition.steps.length, waitingFor: detail });
    context.emit({ type: 'waiting', service: context.service.name, for: waitingFor, detail });
    if (context.parameters.wait === true) {
      await context.store.update(context.owner, { activity: 'blocked', reason: detail });
    }
    await sleep(POLL_MS, undefined, { signal: context.signal }).catch(() => undefined);
  }
}

async function ask(guard: Guard, context: GuardContext): Promise<GuardReport> {
  return { guard: guard.name, result: await guard.evaluate(context) };
}

async function passedCommitPoint(steps: readonly Step[], context: StepContext): Promise<boolean> {
  const commitPoint = steps.find((step) => step.isCommitPoint === true);
  return commitPoint !== undefined && (await commitPoint.check(context)) === 'done';
}
