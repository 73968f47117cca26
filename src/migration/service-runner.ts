interface StepProgress {
  readonly step: string | null;
  readonly index: number;
  readonly of: number;
  readonly waitingFor: string | null;
}

const AT_REST: StepProgress = { step: null, index: 0, of: 0, waitingFor: null };

/**
 * One service in the hands of one process: holds the lease, owns both replicators, carries out transitions. `migrate advance` makes one
 * for as long as it lives; `dbps run` makes one for each service.
 */
import type { Database, Direction, Ownership, RelationMap } from '../engines/engine.js';
import { RefusedError } from '../model/errors.js';
import type { Phase } from '../model/phases.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import type { ServiceProgress, ServiceState } from '../state/state-store.js';
import { adoptDdl } from './adopt-ddl.js';
import { Heartbeat } from './heartbeat.js';
import {
  confirmationToken,
  planAbort,
  planAdvance,
  planRollback,
  transitionUnderWay,
  type Leg,
} from './itinerary.js';
import { readAttempt } from './journal.js';
import { restingModes } from './modes.js';
import { keepOwner } from './reconcile.js';
import type { Wish } from './requests.js';
import type { MoveContext } from './move-context.js';
import type { DatabaseOpener, MoveEnvironment } from './move-environment.js';
import { carryOut, takeBack, type Run, type TransitionResult } from './orchestrator.js';
import { settingsDigest } from './settings-digest.js';
import { describeShapeChanges, findShapeChanges, shapeRemedy } from './shape.js';
import { isConvergedIn, ServiceStreams } from './service-streams.js';
import { takeService, type TakenService, type TakeOptions } from './take-service.js';
import { recordVerification } from './verified.js';
import { verifyMove } from './verify-move.js';
import type { GuardContext, ReplicationStatus, StepContext, TransitionParameters } from './step-context.js';

export class ServiceRunner {
  #plan: Plan;
  #service: ServicePlan;
  readonly owner: Ownership;
  #maps: readonly RelationMap[];
  /** Aborted when the process shall stop or the lease is lost. */
  readonly signal: AbortSignal;
  readonly #environment: MoveEnvironment;
  readonly #targetOpener: DatabaseOpener;
  readonly #heartbeat: Heartbeat;
  readonly #confirmable: string;
  readonly #streams: ServiceStreams;
  #legacy: Database | null = null;
  #target: Database | null = null;
  #step: StepProgress = AT_REST;

  /** Takes the lease, raises the epoch on both databases, and only then lets anything read a checkpoint. */
  static open(environment: MoveEnvironment, name: string, options: TakeOptions): Promise<ServiceRunner> {
    return takeService(environment, name, options, (taken) => new ServiceRunner(environment, taken, options));
  }

  private constructor(environment: MoveEnvironment, taken: TakenService, options: TakeOptions) {
    const { service, owner } = taken;
    this.#environment = environment;
    this.#plan = environment.plan;
    this.#service = service;
    this.owner = owner;
    this.#maps = environment.maps(service);
    this.#legacy = taken.legacy;
    this.#target = taken.target;
    this.#targetOpener = taken.targetOpener;
    this.#confirmable = taken.confirmable;
    this.#heartbeat = new Heartbeat({
      store: environment.store,
      owner,
      leaseMs: environment.leaseMs,
      now: environment.now,
      progress: () => this.progress(),
    });
    this.signal = AbortSignal.any([options.signal, this.#heartbeat.lost]);
    this.#streams = new ServiceStreams({
      store: environment.store,
      owner,
      create: (direction) => environment.createReplicator(this.#streamContext(), direction),
    });
  }

  get service(): ServicePlan {
    return this.#service;
  }

  get maps(): readonly RelationMap[] {
    return this.#maps;
  }

  async state(): Promise<ServiceState> {
    const state = await this.#environment.store.service(this.service.name);
    if (state === null)
      throw new RefusedError({ code: 'DBPS_E303', message: `${this.service.name} was forgotten` });
    return state;
  }

  /** Brings both replicators into the mode that phase and owner ask for. @throws RefusedError when a start would skip changes. */
  async rest(): Promise<void> {
    const state = await this.state();
    const { name } = this.service;
    const legacy = this.#openLegacy();
    if (this.#target === null || state.activity === 'paused') return;
    const owner = (await this.#environment.store.route(name))?.owner ?? 'legacy';
    await this.#streams.rest(restingModes(state.phase, owner, isConvergedIn(state.phase, state.target)), {
      forward: (await this.#target.control.readCheckpoint(name, 'forward')) !== null,
      reverse: (await legacy.control.readCheckpoint(name, 'reverse')) !== null,
    });
  }

  /** One wish, whoever it came from. @throws RefusedError E327 while the service is paused. */
  async perform(wish: Wish, signal = this.signal): Promise<readonly TransitionResult[]> {
    try {
      return await this.#perform(wish, signal);
    } finally {
      // Where it ended is told by its error; the next one has not come this far.
      this.#step = AT_REST;
    }
  }

  async #perform(wish: Wish, signal: AbortSignal): Promise<readonly TransitionResult[]> {
    const { activity, reason } = await this.state();
    if (activity === 'paused' && (wish.kind === 'advance' || wish.kind === 'rollback')) {
      throw new RefusedError({
        code: 'DBPS_E327',
        message: `${this.service.name} is paused: ${reason ?? ''}`,
        hint: `dbps migrate resume ${this.service.name}`,
      });
    }
    switch (wish.kind) {
      case 'advance':
        return this.rest()
          .then(() => this.advance(wish.to, wish.parameters, signal))
          .catch(async (error: unknown) => {
            throw await this.#explain(error);
          });
      case 'rollback':
        await this.#restIfPossible();
        return this.rollback(wish.to, wish.parameters, signal);
      case 'abort':
        await this.#restIfPossible();
        return this.abort(signal);
      case 'reconcile':
        await this.rest();
        await keepOwner(this.stepContext({}, signal));
        return [];
      case 'pause':
        await this.pause(wish.reason);
        return [];
      case 'resume':
        if (wish.parameters.applyDdl === true) await this.#applyDdl(signal);
        await this.resume();
        return this.#finish(signal);
    }
  }

  /** A stream stops at the first row of another shape: say what changed, and what helps, rather than where it stopped. */
  async #explain(error: unknown): Promise<unknown> {
    const isOfShape = error instanceof RefusedError && error.code === 'DBPS_E354';
    if (!isOfShape || this.#target === null) return error;
    const shapes = await this.#environment.store.shapes(this.service.name);
    const { service, maps } = this;
    const found = await findShapeChanges({
      legacy: this.#openLegacy(),
      target: this.#target,
      service,
      maps,
      shapes,
    });
    if (found.length === 0) return error;
    return new RefusedError({
      code: 'DBPS_E312',
      message: `the schema has changed: ${describeShapeChanges(found)}`,
      hint: shapeRemedy(service.name, found),
      cause: error,
    });
  }

  /** A stream that cannot start (its slot is lost) must not stand in the way of the way back. */
  async #restIfPossible(): Promise<void> {
    await this.rest().catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      this.#environment.emit({ type: 'note', service: this.service.name, message });
    });
  }

  async #applyDdl(signal: AbortSignal): Promise<void> {
    // Without this the streams stand, and what they keep is never applied.
    this.#streams.resume();
    await this.#restIfPossible();
    const adopted = await adoptDdl(this.stepContext({}, signal), this.#environment.replan);
    if (adopted === null) return;
    await this.#streams.forget();
    this.#plan = adopted.plan;
    this.#service = adopted.service;
    this.#maps = this.#environment.maps(adopted.service);
  }

  /** Goes on with the transition that was under way, if there is one. */
  async #finish(signal: AbortSignal): Promise<readonly TransitionResult[]> {
    const underWay = transitionUnderWay(await this.state());
    if (underWay === undefined) return [];
    return underWay.direction === 'forward'
      ? this.advance(underWay.to, {}, signal)
      : this.rollback(underWay.to, {}, signal);
  }

  async advance(
    to: Phase | undefined,
    parameters: TransitionParameters,
    signal = this.signal,
  ): Promise<readonly TransitionResult[]> {
    const state = await this.state();
    const isRepeat = parameters.reads !== undefined || parameters.readRelations !== undefined;
    return this.#travel(planAdvance(state, to, isRepeat), parameters, signal);
  }

  async rollback(
    to: Phase | undefined,
    parameters: TransitionParameters,
    signal = this.signal,
  ): Promise<readonly TransitionResult[]> {
    return this.#travel(planRollback(await this.state(), to), parameters, signal);
  }

  async abort(signal = this.signal): Promise<readonly TransitionResult[]> {
    return this.#travel(planAbort(await this.state()), {}, signal);
  }

  async pause(reason: string): Promise<void> {
    await this.#streams.pause();
    await this.#environment.store.update(this.owner, { activity: 'paused', reason });
  }

  /** Replication goes on; a transition that was under way is for the caller to go on with. */
  async resume(): Promise<void> {
    await this.#environment.store.update(this.owner, { activity: 'idle', reason: null });
    this.#streams.resume();
    await this.rest();
  }

  /** Streams that were started, with how they are. */
  streams(): readonly (readonly [Direction, ReplicationStatus])[] {
    return this.#streams.statuses();
  }

  /** What `status` shows of this runner: written with each heartbeat. */
  progress(): ServiceProgress {
    return {
      step: this.#step.step,
      stepIndex: this.#step.index,
      steps: this.#step.of,
      waitingFor: this.#step.waitingFor,
      settings: settingsDigest(this.#environment.settings),
      ...this.#streams.describe(),
    };
  }

  /** Replicators at a batch boundary, lease given back, connections closed. Safe to call once, whatever happened. */
  async close(): Promise<void> {
    await this.#streams.close();
    await this.#heartbeat.stop();
    await this.#environment.store.releaseLease(this.owner).catch(() => undefined);
    await Promise.allSettled([this.#legacy?.close(), this.#target?.close()]);
  }

  async #travel(
    legs: readonly Leg[],
    parameters: TransitionParameters,
    signal: AbortSignal,
  ): Promise<readonly TransitionResult[]> {
    const results: TransitionResult[] = [];
    for (const leg of legs) {
      const state = await this.state();
      const isResumed = transitionUnderWay(state)?.to === leg.transition.to;
      if (leg.transition.confirmation === 'irreversible' && !isResumed)
        this.#requireConfirmation(state, parameters);
      const given = isResumed
        ? {
            ...readAttempt(await this.#environment.store.history(this.service.name), leg.transition)
              .parameters,
            ...parameters,
          }
        : parameters;
      const run = this.#run(leg, state, given, signal);
      results.push(leg.kind === 'carry-out' ? await carryOut(run) : await takeBack(run));
      if (leg.kind === 'take-back' || leg.transition.direction === 'back') await this.#restIfPossible();
      else await this.rest();
    }
    return results;
  }

  #requireConfirmation(state: ServiceState, { confirm }: TransitionParameters): void {
    if (confirm !== undefined && (confirm === this.#confirmable || confirm === confirmationToken(state)))
      return;
    throw new RefusedError({
      code: 'DBPS_E306',
      message:
        confirm === undefined
          ? `this step of ${this.service.name} cannot be undone and needs --confirm`
          : `${confirm} is void: the plan or the state is another by now`,
      hint: `dbps migrate advance ${this.service.name} --dry-run`,
    });
  }

  #run(leg: Leg, state: ServiceState, parameters: TransitionParameters, signal: AbortSignal): Run {
    const context = this.stepContext(parameters, signal);
    return {
      transition: leg.transition,
      state,
      context,
      guardContext: this.guardContext(context, state.phase),
      catalogue: this.#environment.catalogue,
      settleMs: this.#environment.settleMs,
      onStep: (progress) => (this.#step = progress),
    };
  }

  stepContext(parameters: TransitionParameters, signal: AbortSignal): StepContext {
    const forward = () => this.#streams.get('forward');
    const reverse = () => this.#streams.get('reverse');
    const openTarget = () => this.#openTarget();
    return {
      ...this.#base(signal),
      get target() {
        return openTarget();
      },
      get forward() {
        return forward();
      },
      get reverse() {
        return reverse();
      },
      store: this.#environment.store,
      parameters,
      routeHook: this.#environment.routeHook,
      createTarget: async () => {
        const isCreated = await this.#targetOpener.createIfMissing(
          await this.#openLegacy().preflight.textRules(),
        );
        this.#target ??= await this.#targetOpener.open();
        return isCreated;
      },
    };
  }

  guardContext(context: StepContext, phase: Phase): GuardContext {
    const openTarget = () => this.#openTarget();
    return {
      ...this.#base(context.signal),
      get target() {
        return openTarget();
      },
      targetExists: this.#target !== null,
      store: context.store,
      parameters: context.parameters,
      phase,
      isDryRun: false,
      verify: async (mode) => {
        const route = await context.store.route(this.service.name);
        const result = await verifyMove(context, mode, {
          direction: route?.owner === 'service' ? 'reverse' : 'forward',
        });
        await recordVerification(context, result);
        return result;
      },
      replication: async (direction) => this.#streams.status(direction),
    };
  }

  #base(signal: AbortSignal): Omit<MoveContext, 'target'> {
    const { settings, emit, now, at } = this.#environment;
    return {
      plan: this.#plan,
      service: this.service,
      owner: this.owner,
      legacy: this.#openLegacy(),
      maps: this.maps,
      settings,
      emit,
      now,
      at,
      signal,
    };
  }

  #streamContext(): MoveContext {
    const openTarget = () => this.#openTarget();
    return {
      ...this.#base(this.signal),
      get target() {
        return openTarget();
      },
    };
  }

  #openLegacy(): Database {
    if (this.#legacy === null) throw new TypeError('the runner is closed');
    return this.#legacy;
  }

  #openTarget(): Database {
    if (this.#target !== null) return this.#target;
    throw new RefusedError({
      code: 'DBPS_E309',
      message: `the database of ${this.service.name} does not exist yet`,
      hint: `dbps migrate advance ${this.service.name} --to provisioned`,
    });
  }
}
