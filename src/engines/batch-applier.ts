/**
 * Applies batches of changes: one target transaction a batch, which first locks the epoch, then moves the checkpoint by compare-and-set
 * (that row's change is also the mark by which the opposite direction knows it as dbps's own), then writes net changes window by
 * window, then the keys of what changed. A transaction of any size passes through in windows, so that memory stays flat.
 */
import { RefusedError } from '../model/errors.js';
import { BatchWriter, type Certainty, type ChangeWriter } from './change-batch.js';
import type {
  ApplyBatch,
  ApplyOutcome,
  ChangeTransaction,
  Checkpoint,
  Key,
  Position,
  RelationMap,
  StreamIdentity,
} from './engine.js';
import { keyPlaces } from './merge-window.js';

/** What the checkpoint row says of its stream. */
export type Places = Pick<Checkpoint, 'applied' | 'received'>;

/** A writer that counts what it does, for one batch at a time. */
export interface CountingWriter extends ChangeWriter {
  statements: number;
  wasUnmerged: boolean;
}

/** One session of an engine, and the statements of its dialect: what an applier's transaction is made of. */
export interface ApplySession {
  begin(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** @throws RefusedError when another owner has taken over. */
  lockEpoch(): Promise<void>;
  /** Writes the checkpoint, its mark too, where it is still at `from` under this owner's epoch. @returns whether it was. */
  moveCheckpoint(from: Places, to: Places): Promise<boolean>;
  /** Looks the tables of the target up. */
  openWriter(): Promise<CountingWriter>;
  addChangedKeys(map: RelationMap, keys: readonly Key[]): Promise<void>;
  addHealKeys(map: RelationMap, keys: readonly Key[]): Promise<void>;
  /** Takes the spool's segments away up to this one. */
  dropSpooled(through: string): Promise<void>;
  /** As the payloads of segments that the server takes; outside the transaction. */
  packSpool(transactions: readonly ChangeTransaction[]): Promise<readonly Buffer[]>;
  /** @param end null: the last transaction goes on. Everything spooled so far without an end then ends here with the next one that has. */
  addToSpool(payloads: readonly Buffer[], end: Position | null): Promise<void>;
  /** Where the server took the whole transaction back, and the same one may pass the next time. */
  mayRepeat(error: unknown): boolean;
  close(): Promise<void>;
}

const ATTEMPTS = 5;

export class BatchApplier {
  readonly #places: ReadonlyMap<RelationMap, readonly number[]>;
  #writer: CountingWriter | null = null;
  #at: Places;

  constructor(
    readonly session: ApplySession,
    readonly stream: StreamIdentity,
    maps: readonly RelationMap[],
    at: Places,
  ) {
    this.#places = new Map(maps.map((map) => [map, keyPlaces(map)]));
    this.#at = { applied: at.applied, received: at.received };
  }

  /** A deadlock takes the whole transaction back, on whichever side: a batch that is still in memory is applied again. */
  async apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#apply(batch);
      } catch (error) {
        const mayRepeat = Array.isArray(batch.transactions) && this.session.mayRepeat(error);
        if (!mayRepeat || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    // Not before something is applied: while the copy runs, changes are only kept, and the tables may have no keys yet.
    const window = (this.#writer ??= await this.session.openWriter());
    window.statements = 0;
    window.wasUnmerged = false;
    return this.#transaction(async () => {
      await this.#move(batch.end, batch.spooled !== undefined);
      const writer = new BatchWriter(window, this.#certainty(batch), this.#places, (map, keys) =>
        this.session.addChangedKeys(map, keys),
      );
      // Most batches are thousands of small transactions, all there: a turn of the event loop for each would cost more than they do.
      if (Symbol.iterator in batch.transactions) await writer.write(batch.transactions);
      else for await (const piece of batch.transactions) await writer.write([piece]);
      await writer.flush();
      if (batch.end === null) {
        if (writer.end === null) throw new RangeError('a batch without the last piece of its transaction');
        await this.#move(writer.end, batch.spooled !== undefined);
      }
      if (batch.spooled !== undefined) await this.session.dropSpooled(batch.spooled.through);
      const { statements, wasUnmerged } = window;
      return { changes: writer.changes, statements, wasUnmerged };
    });
  }

  #certainty(batch: ApplyBatch): Certainty {
    return {
      isConverged: batch.isConverged,
      isExact: (map, key) => batch.isConverged || batch.unsettled?.has(map, key) === false,
      heal: async (map, keys) => {
        batch.unsettled?.add(map, keys);
        await this.session.addHealKeys(map, keys);
      },
    };
  }

  /** An idle position: nothing to apply, but the log before it need not be kept. */
  async advance(position: Position): Promise<void> {
    await this.#transaction(() => this.#move(position, false));
  }

  /** Durable without being applied; `end` null: pieces of a transaction whose end has not come. */
  async keep(transactions: readonly ChangeTransaction[], end: Position | null): Promise<void> {
    const payloads = transactions.length > 0 ? await this.session.packSpool(transactions) : [];
    await this.#transaction(async () => {
      await this.#set({ applied: this.#at.applied, received: end ?? this.#at.received });
      await this.session.addToSpool(payloads, end);
    });
  }

  /** One of dbps's own transactions. After a failure the positions in memory are the last committed ones. */
  async #transaction<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#at;
    await this.session.begin();
    try {
      await this.session.lockEpoch();
      const result = await work();
      await this.session.commit();
      return result;
    } catch (error) {
      this.#at = before;
      await this.session.rollback().catch(() => undefined);
      throw error;
    }
  }

  /**
   * The mark and the checkpoint. Whoever else has moved it since is a second applier, or the database was restored: nothing is written then.
   * `null` marks the transaction and leaves the position where it is.
   */
  async #move(position: Position | null, isSpooled: boolean): Promise<void> {
    await this.#set({
      applied: position ?? this.#at.applied,
      // What is applied from the spool had been received before.
      received: position === null || isSpooled ? this.#at.received : position,
    });
  }

  async #set(to: Places): Promise<void> {
    const { service, direction } = this.stream;
    if (!(await this.session.moveCheckpoint(this.#at, to)))
      throw new RefusedError({
        code: 'DBPS_E356',
        message: `the checkpoint of ${service} (${direction}) is not at ${this.#at.applied} any more: somebody else moved it, or the database was restored`,
        hint: `dbps status ${service}`,
      });
    this.#at = to;
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}
