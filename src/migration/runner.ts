/**
 * `dbps run`: the long-lived replicator of all services. Takes every lease that is free, keeps both streams of each service in the mode its
 * phase asks for, carries out filed requests, and says so when something needs a person. A service that fails does not disturb the others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DbpsError, InterruptedError, RefusedError } from '../model/errors.js';
import type { EventSink } from '../model/events.js';
import type { Request, ServiceState, StateStore } from '../state/state-store.js';
import type { MoveEnvironment } from './move-environment.js';
import type { TransitionResult } from './orchestrator.js';
import { readWish, writeOutcome, type Wish } from './requests.js';
import { ServiceRunner } from './service-runner.js';
import {
  assessStreams,
  watchAccess,
  watchCapture,
  watchLog,
  watchSchema,
  type Trouble,
} from './service-watch.js';

export interface RunOptions {
  readonly store: StateStore;
  /** For one service, with the plan that it is on its way under. */
  readonly environmentFor: (state: ServiceState) => Promise<MoveEnvironment>;
  readonly emit: EventSink;
  readonly signal: AbortSignal;
  readonly pollMs: number;
}

const SCHEMA_EVERY_MS = 10_000;
const LOG_EVERY_MS = 2_000;
const ACCESS_EVERY_MS = 30_000;
/** Changed rows are verified as they come, so that what is left at the cutover fits into its pause. */
const VERIFY_EVERY_MS = 15_000;
const VERIFY_FROM = 2_000;
/** After a failure to open a service, before it is tried again. */
const RETRY_MS = 5_000;

/** Resolves when the signal is raised and every service has been given back. */
export async function runServices(options: RunOptions): Promise<void> {
  const held = new Map<string, Promise<void>>();
  const notBefore = new Map<string, number>();
  const said = new Map<string, string>();
  while (!options.signal.aborted) {
    const states = await options.store.services().catch((error: unknown) => {
      say(options, said, '', `the state store cannot be read: ${text(error)}`);
      return [];
    });
    for (const state of states) {
      const { service, phase, target } = state;
      const isWanted = phase !== 'decommissioned' && (phase !== 'planned' || target !== null);
      if (!isWanted || held.has(service) || (notBefore.get(service) ?? 0) > Date.now()) continue;
      const serving = serve(options, state)
        .then(
          () => said.delete(service),
          (error: unknown) => say(options, said, service, text(error)),
        )
        .finally(() => {
          held.delete(service);
          notBefore.set(service, Date.now() + RETRY_MS);
        });
      held.set(
        service,
        serving.then(() => undefined),
      );
    }
    await sleep(options.pollMs, undefined, { signal: options.signal }).catch(() => undefined);
  }
  await Promise.all(held.values());
}

/** One message a state of affairs, not one a retry. */
function say(options: RunOptions, said: Map<string, string>, service: string, message: string): void {
  if (said.get(service) === message) return;
  said.set(service, message);
  options.emit({ type: 'note', ...(service !== '' && { service }), message });
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function serve(options: RunOptions, state: ServiceState): Promise<void> {
  const environment = await options.environmentFor(state);
  const runner = await ServiceRunner.open(environment, state.service, { waitMs: 0, signal: options.signal });
  try {
    await new Session(runner, environment).work();
  } finally {
    await runner.close();
  }
}

class Session {
  readonly #runner: ServiceRunner;
  readonly #environment: MoveEnvironment;
  /** The transition under way, in the background, so that a pause or an abort can be taken meanwhile. */
  #work: { readonly ended: Promise<void>; readonly stop: AbortController } | null = null;
  #blockedBy: Trouble | null = null;
  readonly #lookedAt = new Map<string, number>();

  constructor(runner: ServiceRunner, environment: MoveEnvironment) {
    this.#runner = runner;
    this.#environment = environment;
  }

  async work(): Promise<void> {
    const { signal } = this.#runner;
    const name = this.#runner.service.name;
    this.#environment.emit({
      type: 'note',
      service: name,
      message: `held with epoch ${this.#runner.owner.epoch}`,
    });
    await this.#tryToRest();
    while (!signal.aborted) {
      const request = await this.#environment.store.takeRequest(this.#runner.owner);
      if (request !== null) await this.#take(request);
      else if (this.#work === null) await this.#watch();
      if (this.#isOver(await this.#runner.state())) break;
      await sleep(this.#environment.pollMs, undefined, { signal }).catch(() => undefined);
    }
    await this.#work?.ended;
    if (signal.reason instanceof DbpsError) throw signal.reason;
  }

  /** Nothing is left to hold on to. */
  #isOver({ phase, target }: ServiceState): boolean {
    return this.#work === null && target === null && (phase === 'planned' || phase === 'decommissioned');
  }

  async #take(request: Request): Promise<void> {
    const wish = readWish(request);
    const isUrgent = wish.kind === 'pause' || wish.kind === 'abort' || wish.kind === 'rollback';
    if (this.#work !== null && !isUrgent) {
      await this.#answer(request, [], busy(this.#runner.service.name));
      return;
    }
    if (this.#work !== null) {
      this.#work.stop.abort(
        new InterruptedError({ code: 'DBPS_E501', message: `stopped: ${wish.kind} was asked for` }),
      );
      await this.#work.ended;
    }
    const stop = new AbortController();
    const ended = this.#carryOut(request, wish, AbortSignal.any([this.#runner.signal, stop.signal])).finally(
      () => {
        this.#work = null;
      },
    );
    this.#work = { ended, stop };
    if (wish.kind === 'pause') await ended;
  }

  async #carryOut(request: Request, wish: Wish, signal: AbortSignal): Promise<void> {
    let transitions: readonly TransitionResult[] = [];
    let failure: Error | null = null;
    try {
      transitions = await this.#runner.perform(wish, signal);
      this.#blockedBy = null;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    await this.#answer(request, transitions, failure).catch((error: unknown) => {
      this.#environment.emit({ type: 'note', service: this.#runner.service.name, message: text(error) });
    });
  }

  async #answer(
    request: Request,
    transitions: readonly TransitionResult[],
    error: Error | null,
  ): Promise<void> {
    const outcome = writeOutcome({ transitions, error });
    await this.#environment.store.finishRequest(
      this.#runner.owner,
      request.id,
      error === null ? 'done' : 'failed',
      outcome,
    );
  }

  async #tryToRest(): Promise<void> {
    try {
      await this.#runner.rest();
    } catch (error) {
      if (this.#runner.signal.aborted) return;
      await this.#block({ what: 'stream', reason: text(error) });
    }
  }

  async #watch(): Promise<void> {
    const state = await this.#runner.state();
    // What has gone for good, or back to where it began, has nothing left to watch: that its relations are not in legacy is as it should be.
    if (state.activity === 'paused' || this.#isOver(state) || this.#runner.signal.aborted) return;
    const trouble = assessStreams(this.#runner.streams()) ?? (await this.#look(state));
    if (trouble !== null) await this.#block(trouble);
    else if (trouble === null && this.#blockedBy !== null && this.#hasLooked()) await this.#unblock();
    if (trouble === null && this.#due('verify', VERIFY_EVERY_MS)) await this.#verifyChanged(state);
  }

  async #look(state: ServiceState): Promise<Trouble | null> {
    const context = this.#runner.guardContext(this.#runner.stepContext({}, this.#runner.signal), state.phase);
    if (!context.targetExists) return null;
    try {
      if (state.phase === 'sync' && state.target === null && this.#due('access', ACCESS_EVERY_MS))
        await watchAccess(this.#runner.stepContext({}, this.#runner.signal));
      if (this.#due('log', LOG_EVERY_MS)) {
        const log = await watchLog(context);
        if (log !== null) return log;
      } else if (this.#blockedBy?.what === 'log') return this.#blockedBy;
      // A decommissioning that was stopped on its way has renamed or dropped relations itself.
      if (state.target !== 'decommissioned' && this.#due('schema', SCHEMA_EVERY_MS))
        return (await watchCapture(context)) ?? (await watchSchema(context));
      return this.#blockedBy?.what === 'schema' ? this.#blockedBy : null;
    } catch (error) {
      // Not being able to look is no trouble of the service's; the streams say so if they are cut off too.
      this.#environment.emit({ type: 'note', service: state.service, message: text(error) });
      return this.#blockedBy;
    }
  }

  #hasLooked(): boolean {
    return this.#blockedBy?.what !== 'stream' || this.#runner.streams().every(([, s]) => s.error === null);
  }

  async #block(trouble: Trouble): Promise<void> {
    if (this.#blockedBy?.reason === trouble.reason) return;
    this.#blockedBy = trouble;
    await this.#environment.store.update(this.#runner.owner, { activity: 'blocked', reason: trouble.reason });
    this.#environment.emit({
      type: 'waiting',
      service: this.#runner.service.name,
      for: trouble.what,
      detail: trouble.reason,
    });
  }

  async #unblock(): Promise<void> {
    this.#blockedBy = null;
    await this.#environment.store.update(this.#runner.owner, { activity: 'idle', reason: null });
  }

  async #verifyChanged(state: ServiceState): Promise<void> {
    const isFollowed = ['dual-write', 'read-cutover', 'write-cutover', 'sync'].includes(state.phase);
    if (!isFollowed || state.target !== null) return;
    const context = this.#runner.guardContext(this.#runner.stepContext({}, this.#runner.signal), state.phase);
    try {
      const owner = (await this.#environment.store.route(state.service))?.owner ?? 'legacy';
      const [side, direction] =
        owner === 'legacy' ? [context.target, 'forward' as const] : [context.legacy, 'reverse' as const];
      if ((await side.control.readKeySets(state.service, direction)).changed < VERIFY_FROM) return;
      const result = await context.verify('changed');
      for (const finding of result.findings) this.#environment.emit({ type: 'finding', finding });
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'DBPS_E301') throw error;
      this.#environment.emit({ type: 'note', service: state.service, message: text(error) });
    }
  }

  #due(what: string, everyMs: number): boolean {
    const now = this.#environment.now();
    if (now - (this.#lookedAt.get(what) ?? 0) < everyMs) return false;
    this.#lookedAt.set(what, now);
    return true;
  }
}

function busy(service: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E307',
    message: `the runner of ${service} is at work on another transition`,
    hint: `dbps status ${service}`,
  });
}
