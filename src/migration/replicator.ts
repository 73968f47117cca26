/**
 * Keeps one side current from the other: reads the change log of the owner, and makes it durable on the other side before it is
 * acknowledged. Runs in every phase after provisioned, for both directions, in one of three modes:
 *
 * - `spool`: received, durable, acknowledged, not applied: while the copy runs, or while apply rests for DDL.
 * - `apply`: first what was spooled, then live; small batches when the stream is idle, large ones under backlog.
 * - `watch`: this side does not own the writes. Whatever arrives that dbps did not write itself is a rogue write.
 *
 * A lost connection is waited for and streaming goes on from the checkpoint. Everything that a wait cannot mend (a lost slot, a changed
 * schema, a row that is missing) ends it with a typed error, and the runner blocks the service.
 */
import type { Database, Direction, RelationMap } from '../engines/engine.js';
import { DbpsError, InternalError } from '../model/errors.js';
import { Barriers } from './barriers.js';
import { LeftPartWayError } from './change-queue.js';
import { stopIfAborted } from './interruption.js';
import type { MoveContext } from './move-context.js';
import { lagBytes, lagMs, ReplicationProgress } from './replication-progress.js';
import { ReplicationSession } from './replication-session.js';
import { reverseMaps } from './reverse-maps.js';
import type { ReplicationMode, ReplicationStatus, ReplicatorHandle, RogueChange } from './step-context.js';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

/** Errors that time may mend: unreachable, no connections, disk full, connection lost, starting up, timeouts, no free slot, stream lost. */
const MAY_PASS = new Set(
  'DBPS_E401 DBPS_E407 DBPS_E408 DBPS_E409 DBPS_E413 DBPS_E415 DBPS_E418 DBPS_E430'.split(' '),
);
/** The checkpoint was moved by the commit point of a cutover: read it again. */
const CHECKPOINT_MOVED = 'DBPS_E356';

export class Replicator implements ReplicatorHandle {
  readonly direction: Direction;
  readonly #context: MoveContext;
  readonly #maps: readonly RelationMap[];
  readonly #barriers = new Barriers();
  readonly #progress = new ReplicationProgress();
  readonly #rogue: ((change: RogueChange) => void)[] = [];
  readonly #restWaiters: (() => void)[] = [];

  #mode: ReplicationMode | null = null;
  #isPaused = false;
  #isStopping = false;
  #loop: Promise<void> | null = null;
  #session: ReplicationSession | null = null;
  #error: Error | null = null;
  #wakeRetry: (() => void) | null = null;
  readonly #callOff = () => void this.stop();

  constructor(context: MoveContext, direction: Direction) {
    this.#context = context;
    this.direction = direction;
    this.#maps = direction === 'forward' ? context.maps : reverseMaps(context.maps, context.service);
  }

  /** @throws what the move was called off with, when it was before this began: nobody would stop it. */
  async start(mode: ReplicationMode): Promise<void> {
    if (this.#loop !== null && this.#error === null && !this.#isStopping) return this.setMode(mode);
    await this.stop();
    stopIfAborted(this.#context.signal, `before the ${this.direction} stream was opened`);
    this.#mode = mode;
    this.#error = null;
    this.#isStopping = false;
    this.#progress.isConverged = false;
    this.#progress.hasSpool = true;
    // Listens while it runs: one signal outlives many streams.
    const { signal } = this.#context;
    signal.addEventListener('abort', this.#callOff);
    await new Promise<void>((resolve) => {
      this.#loop = this.#run(resolve).finally(() => {
        signal.removeEventListener('abort', this.#callOff);
        resolve();
      });
    });
    // Set by the loop.
    const error = this.#error as Error | null;
    if (error !== null) throw error;
  }

  async setMode(mode: ReplicationMode): Promise<void> {
    this.#mode = mode;
    await this.#settled();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#session?.end();
    this.#wakeRetry?.();
    await this.#loop;
    this.#loop = null;
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#settled();
  }

  resume(): void {
    this.#isPaused = false;
    this.#session?.wake();
  }

  waitForBarrier(nonce: string, deadlineMs: number): Promise<void> {
    if (this.#error !== null) return Promise.reject(this.#error);
    return this.#barriers.wait(nonce, deadlineMs, this.#context.now);
  }

  onRogue(report: (change: RogueChange) => void): void {
    this.#rogue.push(report);
  }

  status(): ReplicationStatus {
    const progress = this.#progress;
    const session = this.#session?.view ?? null;
    const isRunning = this.#loop !== null && this.#error === null;
    const isPaused = this.#isPaused;
    return {
      state: this.#error !== null ? 'failed' : !isRunning ? 'stopped' : isPaused ? 'paused' : 'running',
      mode: this.#loop === null ? null : this.#mode,
      received: progress.received,
      applied: progress.applied,
      head: session?.head ?? null,
      lagMs: isRunning ? lagMs(progress, session, { isPaused, nowMs: this.#context.now() }) : null,
      lagBytes: lagBytes(progress, session, (from, to) => this.#source.changes.distance(from, to)),
      changesApplied: progress.changesApplied,
      isConverged: progress.isConverged,
      error: this.#error,
    };
  }

  /** What the loop should do now. */
  #wanted(): ReplicationMode | null {
    return this.#mode === 'apply' && this.#isPaused ? 'spool' : this.#mode;
  }

  /** Resolves when the loop does what is wanted, or is over. */
  async #settled(): Promise<void> {
    while (
      this.#loop !== null &&
      this.#error === null &&
      this.#session !== null &&
      this.#session.doing !== this.#wanted()
    ) {
      const rested = new Promise<void>((resolve) => this.#restWaiters.push(resolve));
      this.#session.wake();
      await rested;
    }
  }

  #rested(): void {
    for (const waiter of this.#restWaiters.splice(0)) waiter();
  }

  // Asked for when needed: the service database may not be there yet when this is made.
  get #source(): Database {
    return this.direction === 'forward' ? this.#context.legacy : this.#context.target;
  }

  get #other(): Database {
    return this.direction === 'forward' ? this.#context.target : this.#context.legacy;
  }

  async #run(opened: () => void): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    let moved = 0;
    while (!this.#isStopping) {
      const before = this.#progress.received;
      try {
        const session = (this.#session = await this.#openSession());
        opened();
        await session.work();
      } catch (error) {
        if (error instanceof LeftPartWayError || this.#isStopping) continue;
        if (this.#progress.received !== before) {
          retryMs = FIRST_RETRY_MS;
          moved = 0;
        }
        const code = error instanceof DbpsError ? error.code : null;
        if (code === CHECKPOINT_MOVED && moved++ < 3) continue;
        if (code === null || !MAY_PASS.has(code)) {
          this.#fail(error);
          return;
        }
        opened();
        this.#emit(`${this.direction} stream: ${(error as Error).message}; trying again in ${retryMs} ms`);
        await this.#closeSession();
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, retryMs);
          this.#wakeRetry = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      } finally {
        await this.#closeSession();
      }
    }
    this.#rested();
  }

  #fail(cause: unknown): void {
    const error =
      cause instanceof Error
        ? cause
        : new InternalError({ code: 'DBPS_E901', message: String(cause), cause });
    this.#error = error;
    this.#barriers.fail(error);
    this.#rested();
    this.#emit(`${this.direction} stream stopped: ${error.message}`);
  }

  #openSession(): Promise<ReplicationSession> {
    return ReplicationSession.open(
      {
        context: this.#context,
        direction: this.direction,
        source: this.#source,
        other: this.#other,
        maps: this.#maps,
        progress: this.#progress,
        barriers: this.#barriers,
      },
      {
        isStopping: () => this.#isStopping,
        wanted: () => this.#wanted(),
        rested: () => this.#rested(),
        rogue: (change) => this.#rogue.forEach((report) => report(change)),
      },
    );
  }

  async #closeSession(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }

  #emit(message: string): void {
    this.#context.emit({ type: 'note', service: this.#context.service.name, message });
  }
}
