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
import { readAttempt, ROGUE_WRITE } from './journal.js';
import { restingModes } from './modes.js';
import { keepOwner } from './reconcile.js';
import type { Wish } from './requests.js';
import type { MoveContext } from './move-context.js';
import type { DatabaseOpener, MoveEnvironment } from './move-environment.js';
import { carryOut, takeBack, type Run, type TransitionResult } from './orchestrator.js';
import { describeShapeChanges, findShapeChanges, shapeRemedy } from './shape.js';
import { StreamWatch } from './stream-watch.js';
import { recordVerification } from './verified.js';
import { verifyMove } from './verify-move.js';
import type {
  GuardContext,
  ReplicationStatus,
  ReplicatorHandle,
  StepContext,
  TransitionParameters,
} from './step-context.js';

export interface OpenRunnerOptions {
  /** `--lock-timeout`. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

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
  readonly #watch: StreamWatch;
  #legacy: Database | null = null;
  #target: Database | null = null;
  readonly #replicators = new Map<Direction, ReplicatorHandle>();
  #step: { step: string | null; index: number; of: number; waitingFor: string | null } = {
    step: null,
    index: 0,
    of: 0,
    waitingFor: null,
  };

  /** Takes the lease, raises the epoch on both databases, and only then lets anything read a checkpoint. */
  static async open(
    environment: MoveEnvironment,
    name: string,
    options: OpenRunnerOptions,
  ): Promise<ServiceRunner> {
    const service = environment.plan.services.find((candidate) => candidate.name === name);
    if (service === undefined) {
      throw new RefusedError({
        code: 'DBPS_E303',
        message: `the plan has no service "${name}"`,
        hint: 'dbps plan show',
      });
    }
    const targetOpener = environment.target(service);
    const legacy = await environment.legacy.open();
    let target: Database | null = null;
    let runner: ServiceRunner | null = null;
    try {
      target = (await targetOpener.exists()) ? await targetOpener.open() : null;
      const before = await environment.store.service(name);
      const floor = Math.max(
        (await legacy.control.readEpoch(name)) ?? 0,
        (await target?.control.readEpoch(name)) ?? 0,
      );
      const owner = await environment.store.acquireLease(name, {
        holder: environment.holder,
        host: environment.host,
        durationMs: environment.leaseMs,
        waitMs: options.waitMs,
        floor,
        signal: options.signal,
      });
      // A token names the epoch that was current when it was printed; any lease in between voids it.
      const isNext = before !== null && owner.epoch === Math.max(before.epoch, floor) + 1;
      runner = new ServiceRunner(environment, service, owner, {
        legacy,
        target,
        targetOpener,
        confirmable: before !== null && isNext ? confirmationToken(before) : '',
        signal: options.signal,
      });
      await environment.at('lease.acquired');
      for (const database of [legacy, target]) {
        if ((await database?.control.readEpoch(name)) != null) await database?.control.raiseEpoch(owner);
      }
      await environment.at('lease.epoch-raised');
      return runner;
    } catch (error) {
      if (runner !== null) await runner.close();
      else await Promise.allSettled([legacy.close(), target?.close()]);
      throw error;
    }
  }

  private constructor(
    environment: MoveEnvironment,
    service: ServicePlan,
    owner: Ownership,
    opened: {
      legacy: Database;
      target: Database | null;
      targetOpener: DatabaseOpener;
      confirmable: string;
      signal: AbortSignal;
    },
  ) {
    this.#environment = environment;
    this.#plan = environment.plan;
    this.#service = service;
    this.owner = owner;
    this.#maps = environment.maps(service);
    this.#legacy = opened.legacy;
    this.#target = opened.target;
    this.#targetOpener = opened.targetOpener;
    this.#confirmable = opened.confirmable;
    this.#heartbeat = new Heartbeat({
      store: environment.store,
      owner,
      leaseMs: environment.leaseMs,
      now: environment.now,
      progress: () => this.progress(),
    });
    this.signal = AbortSignal.any([opened.signal, this.#heartbeat.lost]);
    this.#watch = new StreamWatch();
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
    // On the way back the rows may be gone already: what still arrives is kept, not applied.
    const isConverged =
      state.phase !== 'provisioned' && state.phase !== 'planned' && state.target !== 'provisioned';
    const modes = restingModes(state.phase, owner, isConverged);
    const hasForward = (await this.#target.control.readCheckpoint(name, 'forward')) !== null;
    const hasReverse = (await legacy.control.readCheckpoint(name, 'reverse')) !== null;
    if (modes.reverse !== null && hasReverse) await this.#replicator('reverse').start(modes.reverse);
    if (modes.forward !== null && hasForward) await this.#replicator('forward').start(modes.forward);
  }

  /** One wish, whoever it came from. @throws RefusedError E327 while the service is paused. */
  async perform(wish: Wish, signal = this.signal): Promise<readonly TransitionResult[]> {
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
    for (const replicator of this.#replicators.values()) replicator.resume();
    await this.#restIfPossible();
    const adopted = await adoptDdl(this.stepContext({}, signal), this.#environment.replan);
    if (adopted === null) return;
    for (const replicator of this.#replicators.values()) await replicator.stop();
    this.#replicators.clear();
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
    for (const replicator of this.#replicators.values()) await replicator.pause();
    await this.#environment.store.update(this.owner, { activity: 'paused', reason });
  }

  /** Replication goes on; a transition that was under way is for the caller to go on with. */
  async resume(): Promise<void> {
    await this.#environment.store.update(this.owner, { activity: 'idle', reason: null });
    for (const replicator of this.#replicators.values()) replicator.resume();
    await this.rest();
  }

  /** Streams that were started, with how they are. */
  streams(): readonly (readonly [Direction, ReplicationStatus])[] {
    return [...this.#replicators].map(([direction, replicator]) => [direction, replicator.status()] as const);
  }

  /** What `status` shows of this runner: written with each heartbeat. */
  progress(): ServiceProgress {
    return {
      step: this.#step.step,
      stepIndex: this.#step.index,
      steps: this.#step.of,
      waitingFor: this.#step.waitingFor,
      forward: this.#watch.describe(this.#replicators.get('forward')),
      reverse: this.#watch.describe(this.#replicators.get('reverse')),
      rogueWrites: this.#watch.rogueWrites,
    };
  }

  /** Replicators at a batch boundary, lease given back, connections closed. Safe to call once, whatever happened. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#replicators.values()].map((replicator) => replicator.stop()));
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
    const forward = () => this.#replicator('forward');
    const reverse = () => this.#replicator('reverse');
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
        const isCreated = await this.#targetOpener.createIfMissing();
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
      replication: async (direction) => this.#replicators.get(direction)?.status() ?? null,
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

  #replicator(direction: Direction): ReplicatorHandle {
    const existing = this.#replicators.get(direction);
    if (existing !== undefined) return existing;
    const openTarget = () => this.#openTarget();
    const replicator = this.#environment.createReplicator(
      {
        ...this.#base(this.signal),
        get target() {
          return openTarget();
        },
      },
      direction,
    );
    this.#replicators.set(direction, replicator);
    replicator.onRogue((change) => {
      if (!this.#watch.countRogue()) return;
      const { relation, kind, position } = change;
      void this.#environment.store
        .append(this.owner, {
          transition: direction,
          step: ROGUE_WRITE,
          event: 'note',
          detail: `${kind} in ${relation} at ${position}`,
          data: change,
        })
        .catch(() => undefined);
    });
    return replicator;
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
