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
import type {
  ChangeStream,
  ChangeTransaction,
  Database,
  Direction,
  Position,
  RelationMap,
  Sink,
} from '../engines/engine.js';
import { DbpsError, InternalError } from '../model/errors.js';
import { Barriers } from './barriers.js';
import { ChangeQueue, LeftPartWayError, type Batch } from './change-queue.js';
import { Convergence } from './convergence.js';
import { stopIfAborted } from './interruption.js';
import type { MoveContext } from './move-context.js';
import { reverseMaps } from './reverse-maps.js';
import { requireFollowing } from './reader-copies.js';
import type { ReplicationMode, ReplicationStatus, ReplicatorHandle, RogueChange } from './step-context.js';
import { openSink } from './translating-sink.js';

/** How often an idle stream is looked at: positions to persist, convergence to drive. */
const TICK_MS = 1_000;
/** Persisting an idle position writes to the other log, which makes a position there: often enough for the log, seldom enough not to play ping-pong. */
const IDLE_EVERY_MS = 10_000;
const IDLE_BYTES = 1 << 20;
const REPLAY_CHANGES = 20_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;

/** Errors that time may mend: unreachable, no connections, disk full, connection lost, starting up, timeouts, no free slot, stream lost. */
const MAY_PASS = new Set(
  'DBPS_E401 DBPS_E407 DBPS_E408 DBPS_E409 DBPS_E413 DBPS_E415 DBPS_E418 DBPS_E430'.split(' '),
);
/** The checkpoint was moved by the commit point of a cutover: read it again. */
const CHECKPOINT_MOVED = 'DBPS_E356';

interface Session {
  readonly sink: Sink;
  readonly stream: ChangeStream;
  readonly queue: ChangeQueue;
  readonly convergence: Convergence;
}

export class Replicator implements ReplicatorHandle {
  readonly direction: Direction;
  readonly #context: MoveContext;
  readonly #maps: readonly RelationMap[];
  readonly #barriers = new Barriers();
  readonly #withheld: string[] = [];
  readonly #rogue: ((change: RogueChange) => void)[] = [];
  readonly #restWaiters: (() => void)[] = [];

  #mode: ReplicationMode | null = null;
  #isPaused = false;
  #isStopping = false;
  #loop: Promise<void> | null = null;
  #session: Session | null = null;
  #error: Error | null = null;
  /** What the loop is doing now; a mode change is in force when these agree. */
  #doing: ReplicationMode | null = null;
  #wakeRetry: (() => void) | null = null;

  #received: Position | null = null;
  #applied: Position | null = null;
  #isConverged = false;
  #hasSpool = true;
  #inFlightMs: number | null = null;
  #changesApplied = 0;
  /** Where the checkpoint on the other side stands, and when it got there. */
  #durable: Position | null = null;
  #persistedAtMs = 0;

  constructor(context: MoveContext, direction: Direction) {
    this.#context = context;
    this.direction = direction;
    this.#maps = direction === 'forward' ? context.maps : reverseMaps(context.maps, context.service);
    context.signal.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** @throws what the move was called off with, when it was before this began: nobody would stop it. */
  async start(mode: ReplicationMode): Promise<void> {
    if (this.#loop !== null && this.#error === null && !this.#isStopping) return this.setMode(mode);
    await this.stop();
    stopIfAborted(this.#context.signal, `before the ${this.direction} stream was opened`);
    this.#mode = mode;
    this.#error = null;
    this.#isStopping = false;
    this.#isConverged = false;
    this.#hasSpool = true;
    await new Promise<void>((resolve) => {
      this.#loop = this.#run(resolve).finally(resolve);
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
    this.#session?.queue.end();
    this.#session?.queue.wake();
    this.#wakeRetry?.();
    await this.#loop;
    this.#loop = null;
    this.#doing = null;
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#settled();
  }

  resume(): void {
    this.#isPaused = false;
    this.#session?.queue.wake();
  }

  waitForBarrier(nonce: string, deadlineMs: number): Promise<void> {
    if (this.#error !== null) return Promise.reject(this.#error);
    return this.#barriers.wait(nonce, deadlineMs, this.#context.now);
  }

  onRogue(report: (change: RogueChange) => void): void {
    this.#rogue.push(report);
  }

  status(): ReplicationStatus {
    const { stream, queue } = this.#session ?? { stream: null, queue: null };
    const head = stream?.head ?? null;
    const oldestMs = this.#inFlightMs ?? queue?.oldestMs ?? null;
    const isRunning = this.#loop !== null && this.#error === null;
    return {
      state: this.#error !== null ? 'failed' : !isRunning ? 'stopped' : this.#isPaused ? 'paused' : 'running',
      mode: this.#loop === null ? null : this.#mode,
      received: this.#received,
      applied: this.#applied,
      head,
      // Without a session nothing is known of what waits there: the age of the last word is the best bound.
      lagMs: !isRunning
        ? null
        : oldestMs !== null
          ? Math.max(0, this.#context.now() - oldestMs)
          : this.#session === null || this.#isPaused
            ? this.#context.now() - this.#persistedAtMs
            : 0,
      lagBytes: this.#lagBytes(head, queue),
      changesApplied: this.#changesApplied,
      isConverged: this.#isConverged,
      error: this.#error,
    };
  }

  #lagBytes(head: Position | null, queue: ChangeQueue | null): number | null {
    if (head === null || this.#applied === null) return null;
    // An idle position is persisted later than it is reached.
    const isIdle = queue?.isEmpty === true && this.#inFlightMs === null && !this.#hasSpool;
    return isIdle ? 0 : Math.max(0, this.#source.changes.distance(this.#applied, head) ?? 0);
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
      this.#doing !== this.#wanted()
    ) {
      const rested = new Promise<void>((resolve) => this.#restWaiters.push(resolve));
      this.#session.queue.wake();
      await rested;
    }
  }

  #rested(doing: ReplicationMode | null): void {
    this.#doing = doing;
    for (const waiter of this.#restWaiters.splice(0)) waiter();
  }

  // Asked for when needed: the service database may not be there yet when this is made.
  get #source(): Database {
    return this.direction === 'forward' ? this.#context.legacy : this.#context.target;
  }

  get #other(): Database {
    return this.direction === 'forward' ? this.#context.target : this.#context.legacy;
  }

  // -------------------------------------------------------------- sessions

  async #run(opened: () => void): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    let moved = 0;
    while (!this.#isStopping) {
      const before = this.#received;
      try {
        await this.#openSession();
        opened();
        await this.#work(this.#session as unknown as Session);
      } catch (error) {
        if (error instanceof LeftPartWayError || this.#isStopping) continue;
        if (this.#received !== before) {
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
    this.#rested(null);
  }

  #fail(cause: unknown): void {
    const error =
      cause instanceof Error
        ? cause
        : new InternalError({ code: 'DBPS_E901', message: String(cause), cause });
    this.#error = error;
    this.#barriers.fail(error);
    this.#rested(null);
    this.#emit(`${this.direction} stream stopped: ${error.message}`);
  }

  async #openSession(): Promise<void> {
    const { service, owner, signal } = this.#context;
    const stream = { service: service.name, direction: this.direction };
    const isOfCopies = service.copies !== undefined && this.direction === 'forward';
    if (isOfCopies) requireFollowing(service, this.#source);
    const sink = await openSink(this.#source, this.#other, { stream, owner, maps: this.#maps });
    try {
      const checkpoint = await sink.checkpoint();
      this.#received = checkpoint.received;
      this.#durable = checkpoint.received;
      this.#applied = checkpoint.applied;
      this.#hasSpool = true;
      const changes = await this.#source.changes.stream({
        stream,
        maps: this.#maps,
        checkpoint,
        signal,
        // Once their owner has a database of its own, copies are fed by what dbps applies for it in legacy.
        ...(isOfCopies && { followsApplied: true }),
      });
      const convergence = new Convergence(this.#context, this.#source, sink, this.#maps);
      this.#session = { sink, stream: changes, queue: new ChangeQueue(), convergence };
      this.#persistedAtMs = this.#context.now();
    } catch (error) {
      await sink.close();
      throw error;
    }
    void this.#read(this.#session.stream, this.#session.queue);
  }

  async #closeSession(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    this.#inFlightMs = null;
    this.#doing = null;
    if (session === null) return;
    session.queue.end();
    await session.stream.close();
    await session.sink.close();
  }

  async #read(stream: ChangeStream, queue: ChangeQueue): Promise<void> {
    try {
      for await (const piece of stream) {
        // dbps's own rows, and transactions of other services: only their position counts, and that is an idle one.
        const isEmpty =
          piece.changes.length === 0 && piece.last && queue.isEmpty && this.#inFlightMs === null;
        if (isEmpty && this.#doing !== 'spool' && !this.#hasSpool) {
          // Everything before it has been applied: nothing to wait for.
          this.#arrived(piece.barriers);
          if (!this.#isConverged) queue.wake();
          continue;
        }
        if (piece.isOwn && queue.isEmpty) continue;
        await queue.put(piece);
      }
      queue.end();
    } catch (error) {
      queue.end(error);
    }
  }

  // -------------------------------------------------------------- work

  async #work(session: Session): Promise<void> {
    const { queue, stream } = session;
    while (!this.#isStopping) {
      const mode = this.#wanted();
      if (mode !== this.#doing) {
        if (this.#doing === 'watch') await this.#persistWatched(session);
        if (mode === 'apply') await this.#beginApply(session);
        this.#rested(mode);
        continue;
      }
      if (mode === 'apply' && this.#hasSpool) {
        await this.#replaySpool(session);
        continue;
      }
      const batch = queue.take();
      if (batch === null) {
        await this.#whileIdle(session);
        continue;
      }
      this.#inFlightMs = batch.committedAtMs;
      const end = await this.#process(session, batch);
      this.#inFlightMs = null;
      this.#received = end;
      if (mode === 'watch') {
        if (this.#context.now() - this.#persistedAtMs >= IDLE_EVERY_MS) await this.#persist(session, end);
        continue;
      }
      this.#durable = end;
      this.#persistedAtMs = this.#context.now();
      stream.acknowledge(end);
      if (mode === 'apply' && !this.#isConverged) await this.#converge(session, queue.isEmpty);
    }
    if (this.#doing === 'watch') await this.#persistWatched(session);
  }

  /** What was seen as rogue is not to be taken for the owner's by an apply that follows. */
  async #persistWatched(session: Session): Promise<void> {
    if (this.#received !== null && this.#received !== this.#durable)
      await this.#persist(session, this.#received);
  }

  /** @returns where the batch ended. */
  async #process(session: Session, batch: Batch): Promise<Position> {
    const { sink } = session;
    const barriers: string[] = [];
    let end = batch.end;
    const note = (transaction: ChangeTransaction) => {
      barriers.push(...transaction.barriers);
      if (transaction.last) end = transaction.end;
    };
    const large = async function* (
      pieces: AsyncIterable<ChangeTransaction>,
    ): AsyncIterable<ChangeTransaction> {
      for await (const piece of pieces) {
        note(piece);
        yield piece;
      }
    };
    let transactions: readonly ChangeTransaction[] | AsyncIterable<ChangeTransaction>;
    if (Symbol.asyncIterator in batch.transactions) transactions = large(batch.transactions);
    else {
      transactions = batch.transactions;
      transactions.forEach(note);
    }
    switch (this.#doing) {
      case 'apply': {
        await this.#context.at('replicator.before-apply');
        const { unsettled } = session.convergence;
        const outcome = await sink.apply({
          transactions,
          end: batch.end,
          isConverged: this.#isConverged,
          ...(unsettled !== undefined && { unsettled }),
        });
        await this.#context.at('replicator.applied');
        this.#changesApplied += outcome.changes;
        this.#applied = end;
        this.#arrived(barriers);
        break;
      }
      case 'spool': {
        let pieces: ChangeTransaction[] = [];
        let changes = 0;
        for await (const transaction of transactions) {
          pieces.push(transaction);
          changes += transaction.changes.length;
          if (batch.end === null && !transaction.last && changes >= 20_000) {
            await sink.spool(pieces, this.#received as Position);
            pieces = [];
            changes = 0;
          }
        }
        await sink.spool(pieces, end as Position);
        await this.#context.at('replicator.spooled');
        this.#hasSpool = true;
        break;
      }
      case 'watch':
        for await (const transaction of transactions) this.#reportRogue(transaction);
        this.#barriers.arrived(barriers);
        break;
      case null:
        break;
    }
    return end as Position;
  }

  #reportRogue(transaction: ChangeTransaction): void {
    if (transaction.isOwn) return;
    for (const change of transaction.changes) {
      const maps = change.kind === 'truncate' ? change.maps : [change.map];
      for (const map of maps) {
        const key =
          change.kind === 'truncate'
            ? null
            : change.kind === 'delete'
              ? change.key
              : ((change.kind === 'update' ? change.oldKey : null) ??
                map.key.map((name) => String(change.values[map.columns.findIndex((c) => c.name === name)])));
        for (const report of this.#rogue)
          report({ relation: map.source, kind: change.kind, key, position: transaction.commit });
      }
    }
  }

  async #whileIdle(session: Session): Promise<void> {
    const { stream, queue } = session;
    const position = queue.isEmpty ? stream.idlePosition() : null;
    if (position !== null && this.#isDue(position)) await this.#persist(session, position);
    if (this.#doing === 'apply' && !this.#isConverged) await this.#converge(session, true);
    await queue.wait(TICK_MS);
  }

  #isDue(position: Position): boolean {
    const bytes = this.#durable === null ? 0 : this.#source.changes.distance(this.#durable, position);
    if (bytes !== null && bytes <= 0) return false;
    if (this.#doing === 'apply' && !this.#isConverged) return true;
    const waited = this.#context.now() - this.#persistedAtMs;
    return waited >= IDLE_EVERY_MS || (waited >= TICK_MS && (bytes ?? 0) >= IDLE_BYTES);
  }

  /** Durable first, acknowledged second: positions without a change too (H6). */
  async #persist({ stream, sink }: Session, position: Position): Promise<void> {
    if (this.#doing === 'spool') await sink.spool([], position);
    else {
      await sink.advance(position);
      this.#applied = position;
    }
    this.#received = this.#durable = position;
    this.#persistedAtMs = this.#context.now();
    stream.acknowledge(position);
  }

  // -------------------------------------------------------------- spool and convergence

  async #beginApply(session: Session): Promise<void> {
    this.#isConverged = false;
    this.#hasSpool = true;
    await session.convergence.begin();
    // After a pause, or a restart: what had converged stays so, and what was spooled since is exact.
    await this.#converge(session, false);
  }

  async #replaySpool(session: Session): Promise<void> {
    const { sink } = session;
    const segments = sink.readSpool()[Symbol.asyncIterator]();
    let segment = await segments.next();
    while (segment.done !== true) {
      if (this.#isStopping || this.#wanted() !== 'apply') return;
      const spooled = { through: segment.value.id };
      let end: Position | null = null;
      const barriers: string[] = [];
      this.#inFlightMs = segment.value.transactions[0]?.committedAtMs ?? null;
      /** Whole segments up to a bound, and on to the end of a transaction that lies in several. */
      const transactions = async function* (): AsyncIterable<ChangeTransaction> {
        let changes = 0;
        let isWhole = true;
        while (segment.done !== true && (changes < REPLAY_CHANGES || !isWhole)) {
          for (const transaction of segment.value.transactions) {
            changes += transaction.changes.length;
            isWhole = transaction.last;
            if (isWhole) end = transaction.end;
            barriers.push(...transaction.barriers);
            yield transaction;
          }
          spooled.through = segment.value.id;
          segment = await segments.next();
        }
      };
      const { unsettled } = session.convergence;
      const outcome = await sink.apply({
        transactions: transactions(),
        end: null,
        spooled,
        isConverged: this.#isConverged,
        ...(unsettled !== undefined && { unsettled }),
      });
      await this.#context.at('replicator.replayed');
      this.#changesApplied += outcome.changes;
      this.#applied = end;
      this.#arrived(barriers);
    }
    // Positions without a change were received after the last spooled transaction.
    const { received, applied } = await sink.checkpoint();
    if (received !== applied) await sink.advance(received);
    this.#applied = this.#received = this.#durable = received;
    this.#hasSpool = false;
    this.#inFlightMs = null;
    if (!this.#isConverged) await this.#converge(session, false);
  }

  async #converge({ convergence }: Session, isIdle: boolean): Promise<void> {
    if (this.#applied === null) return;
    this.#isConverged = await convergence.advance(this.#applied, isIdle);
    if (!this.#isConverged) return;
    this.#emit(`${this.direction} stream: replay has converged`);
    this.#barriers.arrived(this.#withheld.splice(0));
  }

  /** A marker says that everything before it is there: not while rows wait to be fetched again. */
  #arrived(nonces: readonly string[]): void {
    if (this.#doing === 'apply' && !this.#isConverged) this.#withheld.push(...nonces);
    else this.#barriers.arrived(nonces);
  }

  #emit(message: string): void {
    this.#context.emit({ type: 'note', service: this.#context.service.name, message });
  }
}
