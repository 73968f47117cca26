/**
 * A fence that is held: how its one transaction ends, whatever engine it is in. Every failure before COMMIT is a rollback; from COMMIT on only the
 * ownership row says what became of it.
 */
import type { RelationId } from '../model/relation-id.js';
import type { CommitPoint, HeldFence, OwnershipRow, SequenceState } from './engine.js';
import { lostSession, settleCommit } from './fence-commit.js';

/** The session that holds the writers, and its statements. */
export interface HoldingSession {
  /** @returns the ownership row's new revision. @throws RefusedError when somebody else has moved it. */
  closeAndMove(point: CommitPoint): Promise<number>;
  /** @returns false when the server has rolled back instead. */
  commit(): Promise<boolean>;
  rollback(): Promise<void>;
  /** With whatever is left of its transaction. */
  end(): Promise<void>;
  /** The connection is gone, which is no answer to a statement. */
  isLost(error: unknown): boolean;
  /** The ownership row, read behind its lock over a session of its own. */
  readOwnership(patienceMs: number): Promise<Pick<OwnershipRow, 'owner' | 'revision'> | null>;
}

/** What was read behind the locks. */
export interface HeldFacts<Sequence extends SequenceState> {
  readonly relations: readonly RelationId[];
  readonly sequences: readonly Sequence[];
  readonly clients: number;
  readonly fingerprint: string;
  readonly startedAt: number;
  readonly attempts: number;
}

export interface HoldLimits {
  readonly service: string;
  readonly pauseBudgetMs: number;
  readonly signal?: AbortSignal | undefined;
  /** From here on an abort does not end the session any more. */
  readonly release: () => void;
}

export class HeldFenceSession<Sequence extends SequenceState> implements HeldFence {
  readonly attempts: number;
  readonly relations: readonly RelationId[];
  readonly sequences: readonly Sequence[];
  readonly clients: number;
  readonly #session: HoldingSession;
  readonly #facts: HeldFacts<Sequence>;
  readonly #limits: HoldLimits;
  #isOver = false;

  constructor(session: HoldingSession, facts: HeldFacts<Sequence>, limits: HoldLimits) {
    this.#session = session;
    this.#facts = facts;
    this.#limits = limits;
    this.attempts = facts.attempts;
    this.relations = facts.relations;
    this.sequences = facts.sequences;
    this.clients = facts.clients;
  }

  heldMs(): number {
    return performance.now() - this.#facts.startedAt;
  }

  fingerprint(): Promise<string> {
    return Promise.resolve(this.#facts.fingerprint);
  }

  async commit(point: CommitPoint): Promise<'committed' | 'not-committed'> {
    const { signal, release, service, pauseBudgetMs } = this.#limits;
    const revision = await this.#guarded(async () => {
      const moved = await this.#session.closeAndMove(point);
      await point.beforeCommit?.();
      signal?.throwIfAborted();
      return moved;
    });
    // From here an abort no longer cuts the line: the answer to COMMIT is worth waiting for.
    release();
    try {
      const isCommitted = await this.#session.commit();
      await this.#end();
      return isCommitted ? 'committed' : 'not-committed';
    } catch (error) {
      await this.#end();
      if (!this.#session.isLost(error)) throw error;
      const lost = { service, newOwner: point.newOwner, revision, patienceMs: pauseBudgetMs, cause: error };
      return settleCommit(lost, (patienceMs) => this.#session.readOwnership(patienceMs));
    }
  }

  async rollback(): Promise<void> {
    if (this.#isOver) return;
    await this.#session.rollback().catch(() => undefined);
    await this.#end();
  }

  /** Whatever fails before COMMIT is a rollback. */
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.rollback();
      this.#limits.signal?.throwIfAborted();
      throw this.#session.isLost(error) ? lostSession(error) : error;
    }
  }

  async #end(): Promise<void> {
    this.#isOver = true;
    this.#limits.release();
    await this.#session.end();
  }
}
