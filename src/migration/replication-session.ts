/**
 * One connected life of a replicator: a stream is read into a queue, and what lies there is worked on in the mode that is wanted. What was received
 * is durable on the other side before it is acknowledged, positions without a change too.
 */
import type { ChangeStream, Database, Direction, Position, RelationMap, Sink } from '../engines/engine.js';
import type { Barriers } from './barriers.js';
import { applyBatch, replaySpool, spoolBatch, watchBatch, type BatchWork } from './batch-work.js';
import { ChangeQueue } from './change-queue.js';
import { Convergence } from './convergence.js';
import type { MoveContext } from './move-context.js';
import { requireFollowing } from './reader-copies.js';
import type { ReplicationProgress, SessionView } from './replication-progress.js';
import type { ReplicationMode, RogueChange } from './step-context.js';
import { openSink } from './translating-sink.js';

/** How often an idle stream is looked at: positions to persist, convergence to drive. */
const TICK_MS = 1_000;
/** Persisting an idle position writes to the other log, which makes a position there: often enough for the log, seldom enough not to play ping-pong. */
const IDLE_EVERY_MS = 10_000;
const IDLE_BYTES = 1 << 20;

const WORK = { apply: applyBatch, spool: spoolBatch, watch: watchBatch } as const;

export interface SessionEnds {
  readonly context: MoveContext;
  readonly direction: Direction;
  readonly source: Database;
  readonly other: Database;
  readonly maps: readonly RelationMap[];
  readonly progress: ReplicationProgress;
  readonly barriers: Barriers;
}

/** What its replicator asks of it, looked at between any two batches. */
export interface SessionOrders {
  isStopping(): boolean;
  wanted(): ReplicationMode | null;
  /** The session does what is wanted now. */
  rested(): void;
  rogue(change: RogueChange): void;
}

export class ReplicationSession {
  readonly #ends: SessionEnds;
  readonly #orders: SessionOrders;
  readonly #stream: ChangeStream;
  readonly #queue = new ChangeQueue();
  readonly #work: BatchWork;
  /** A mode change is in force when this is what is wanted. */
  #doing: ReplicationMode | null = null;

  static async open(ends: SessionEnds, orders: SessionOrders): Promise<ReplicationSession> {
    const { context, direction, source, other, maps, progress } = ends;
    const { service, owner, signal } = context;
    const stream = { service: service.name, direction };
    const isOfCopies = service.copies !== undefined && direction === 'forward';
    if (isOfCopies) requireFollowing(service, source);
    const sink = await openSink(source, other, { stream, owner, maps });
    try {
      const checkpoint = await sink.checkpoint();
      progress.goOnFrom(checkpoint);
      const changes = await source.changes.stream({
        stream,
        maps,
        checkpoint,
        signal,
        // Once their owner has a database of its own, copies are fed by what dbps applies for it in legacy.
        ...(isOfCopies && { followsApplied: true }),
      });
      progress.persistedAtMs = context.now();
      return new ReplicationSession(ends, orders, sink, changes);
    } catch (error) {
      await sink.close();
      throw error;
    }
  }

  private constructor(ends: SessionEnds, orders: SessionOrders, sink: Sink, stream: ChangeStream) {
    const { context, source, maps, progress, barriers } = ends;
    this.#ends = ends;
    this.#orders = orders;
    this.#stream = stream;
    this.#work = {
      context,
      sink,
      convergence: new Convergence(context, source, sink, maps),
      progress,
      barriers,
      onRogue: (change) => orders.rogue(change),
    };
    void this.#receive();
  }

  get doing(): ReplicationMode | null {
    return this.#doing;
  }

  get view(): SessionView {
    return {
      head: this.#stream.head,
      oldestQueuedMs: this.#queue.oldestMs,
      isQueueEmpty: this.#queue.isEmpty,
    };
  }

  /** Orders have changed. */
  wake(): void {
    this.#queue.wake();
  }

  /** Nothing more is received; the batch under way is finished. */
  end(): void {
    this.#queue.end();
    this.#queue.wake();
  }

  async close(): Promise<void> {
    this.#doing = null;
    this.#ends.progress.inFlightMs = null;
    this.#queue.end();
    await this.#stream.close();
    await this.#work.sink.close();
  }

  async #receive(): Promise<void> {
    const { progress } = this.#ends;
    const queue = this.#queue;
    try {
      for await (const piece of this.#stream) {
        // dbps's own rows, and transactions of other services: only their position counts, and that is an idle one.
        const isEmpty =
          piece.changes.length === 0 && piece.last && queue.isEmpty && progress.inFlightMs === null;
        if (isEmpty && this.#doing !== 'spool' && !progress.hasSpool) {
          // Everything before it has been applied: nothing to wait for.
          this.#arrived(piece.barriers);
          if (!progress.isConverged) queue.wake();
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

  /** Until it is to stop. @throws what ended the stream, or kept a batch from being written. */
  async work(): Promise<void> {
    const { progress, context } = this.#ends;
    const queue = this.#queue;
    while (!this.#orders.isStopping()) {
      const mode = this.#orders.wanted();
      if (mode !== this.#doing) {
        if (this.#doing === 'watch') await this.#persistWatched();
        if (mode === 'apply') await this.#beginApply();
        this.#doing = mode;
        this.#orders.rested();
        continue;
      }
      if (mode === 'apply' && progress.hasSpool) {
        await replaySpool(this.#work, () => !this.#orders.isStopping() && this.#orders.wanted() === 'apply');
        if (!progress.hasSpool && !progress.isConverged) await this.#converge(false);
        continue;
      }
      const batch = mode === null ? null : queue.take();
      if (mode === null || batch === null) {
        await this.#whileIdle();
        continue;
      }
      progress.inFlightMs = batch.committedAtMs;
      const end = await WORK[mode](this.#work, batch);
      progress.inFlightMs = null;
      progress.received = end;
      if (mode === 'watch') {
        if (context.now() - progress.persistedAtMs >= IDLE_EVERY_MS) await this.#persist(end);
        continue;
      }
      progress.persisted(end, context.now());
      this.#stream.acknowledge(end);
      if (mode === 'apply' && !progress.isConverged) await this.#converge(queue.isEmpty);
    }
    if (this.#doing === 'watch') await this.#persistWatched();
  }

  /** What was seen as rogue is not to be taken for the owner's by an apply that follows. */
  async #persistWatched(): Promise<void> {
    const { received, durable } = this.#ends.progress;
    if (received !== null && received !== durable) await this.#persist(received);
  }

  async #whileIdle(): Promise<void> {
    const position = this.#queue.isEmpty ? this.#stream.idlePosition() : null;
    if (position !== null && this.#isDue(position)) await this.#persist(position);
    if (this.#doing === 'apply' && !this.#ends.progress.isConverged) await this.#converge(true);
    await this.#queue.wait(TICK_MS);
  }

  #isDue(position: Position): boolean {
    const { progress, source, context } = this.#ends;
    const bytes = progress.durable === null ? 0 : source.changes.distance(progress.durable, position);
    if (bytes !== null && bytes <= 0) return false;
    if (this.#doing === 'apply' && !progress.isConverged) return true;
    const waited = context.now() - progress.persistedAtMs;
    return waited >= IDLE_EVERY_MS || (waited >= TICK_MS && (bytes ?? 0) >= IDLE_BYTES);
  }

  /** Durable first, acknowledged second: positions without a change too (H6). */
  async #persist(position: Position): Promise<void> {
    const { progress, context } = this.#ends;
    if (this.#doing === 'spool') await this.#work.sink.spool([], position);
    else {
      await this.#work.sink.advance(position);
      progress.applied = position;
    }
    progress.persisted(position, context.now());
    this.#stream.acknowledge(position);
  }

  async #beginApply(): Promise<void> {
    const { progress } = this.#ends;
    progress.isConverged = false;
    progress.hasSpool = true;
    await this.#work.convergence.begin();
    // After a pause, or a restart: what had converged stays so, and what was spooled since is exact.
    await this.#converge(false);
  }

  async #converge(isIdle: boolean): Promise<void> {
    const { progress, barriers, context, direction } = this.#ends;
    if (progress.applied === null) return;
    progress.isConverged = await this.#work.convergence.advance(progress.applied, isIdle);
    if (!progress.isConverged) return;
    context.emit({
      type: 'note',
      service: context.service.name,
      message: `${direction} stream: replay has converged`,
    });
    barriers.release();
  }

  /** A marker says that everything before it is there: not while rows wait to be fetched again. */
  #arrived(nonces: readonly string[]): void {
    const { progress, barriers } = this.#ends;
    if (this.#doing === 'apply' && !progress.isConverged) barriers.withhold(nonces);
    else barriers.arrived(nonces);
  }
}
