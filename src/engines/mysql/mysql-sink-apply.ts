/**
 * Applies batches of changes: one target transaction a batch, which first locks the epoch, then moves the checkpoint by compare-and-set
 * (that row's change is also the mark by which the opposite direction knows it as dbps's own), then writes net changes window by
 * window, then the keys of what changed. A transaction of any size passes through in windows, so that memory stays flat.
 */
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import { BatchWriter, type Certainty } from '../change-batch.js';
import type {
  ApplyBatch,
  ApplyOutcome,
  Checkpoint,
  Ownership,
  Position,
  RelationMap,
  StreamIdentity,
} from '../engine.js';
import { keyPlaces } from '../merge-window.js';
import { openBulkSession, WRITING } from './mysql-bulk-sessions.js';
import { lockMysqlEpoch } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';
import type { MysqlChangedKeys, MysqlHealKeys } from './mysql-key-set.js';
import { readTargetTable, type TargetTable } from './mysql-sink-table.js';
import { MysqlWindowWriter } from './mysql-sink-window.js';

export interface MysqlApplierOptions {
  readonly target: ConnectionTarget;
  readonly stream: StreamIdentity;
  readonly owner: Ownership;
  readonly maps: readonly RelationMap[];
  readonly heal: MysqlHealKeys;
  readonly changed: MysqlChangedKeys;
}

const DEADLOCK = 1213;
const LOCK_WAIT_TIMEOUT = 1205;
const ATTEMPTS = 5;

export class MysqlApplier {
  readonly #options: MysqlApplierOptions;
  readonly #session: mysql.Connection;
  readonly #places: ReadonlyMap<RelationMap, readonly number[]>;
  #writer: MysqlWindowWriter | null = null;
  #applied: Position;
  #received: Position;

  private constructor(options: MysqlApplierOptions, session: mysql.Connection, at: Checkpoint) {
    this.#options = options;
    this.#session = session;
    this.#places = new Map(options.maps.map((map) => [map, keyPlaces(map)]));
    this.#applied = at.applied;
    this.#received = at.received;
  }

  static async open(options: MysqlApplierOptions, at: Checkpoint): Promise<MysqlApplier> {
    const { connection } = await openBulkSession(options.target, {
      applicationName: `dbps ${options.owner.service} apply`,
      settings: WRITING,
    });
    return new MysqlApplier(options, connection, at);
  }

  /** Not before something is applied: while the copy runs, changes are only kept, and the tables may have no keys yet. */
  async #openWriter(): Promise<MysqlWindowWriter> {
    if (this.#writer !== null) return this.#writer;
    const tables = new Map<RelationMap, TargetTable>();
    for (const map of this.#options.maps) tables.set(map, await readTargetTable(this.#session, map));
    this.#writer = new MysqlWindowWriter(this.#session, tables);
    return this.#writer;
  }

  get session(): mysql.Connection {
    return this.#session;
  }

  /** A deadlock takes the whole transaction back, on whichever side: a batch that is still in memory is applied again. */
  async apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#apply(batch);
      } catch (error) {
        const number = errorNumber(error);
        const mayRepeat = number === DEADLOCK || number === LOCK_WAIT_TIMEOUT;
        if (!mayRepeat || attempt === ATTEMPTS || !Array.isArray(batch.transactions)) throw error;
      }
    }
  }

  async #apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    const window = await this.#openWriter();
    window.statements = 0;
    window.wasUnmerged = false;
    return this.transaction(async () => {
      await this.#move(batch.end, batch.spooled !== undefined);
      const writer = new BatchWriter(window, this.#certainty(batch), this.#places, (map, keys) =>
        this.#options.changed.addWith(this.#session, map, keys),
      );
      if (Symbol.iterator in batch.transactions) await writer.write(batch.transactions);
      else for await (const piece of batch.transactions) await writer.write([piece]);
      await writer.flush();
      if (batch.end === null) {
        if (writer.end === null) throw new RangeError('a batch without the last piece of its transaction');
        await this.#move(writer.end, batch.spooled !== undefined);
      }
      if (batch.spooled !== undefined)
        await this.#session.query(
          `DELETE FROM dbps.spool WHERE service = ? AND direction = ? AND seq <= ${BigInt(batch.spooled.through)}`,
          [this.#options.stream.service, this.#options.stream.direction],
        );
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
        await this.#options.heal.addWith(this.#session, map, keys);
      },
    };
  }

  /** An idle position: nothing to apply, but the log before it need not be kept. */
  async advance(position: Position): Promise<void> {
    await this.transaction(() => this.#move(position, false));
  }

  /** One of dbps's own transactions. After a failure the positions in memory are the last committed ones. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    const before = { applied: this.#applied, received: this.#received };
    await this.#session.query('START TRANSACTION');
    try {
      await lockMysqlEpoch(this.#session, this.#options.owner);
      const result = await work();
      await this.#session.query('COMMIT');
      return result;
    } catch (error) {
      this.#applied = before.applied;
      this.#received = before.received;
      await this.#session.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /**
   * The mark and the checkpoint. Whoever else has moved it since is a second applier, or the database was restored: nothing is written then.
   * `null` marks the transaction and leaves the position where it is.
   */
  async #move(position: Position | null, isSpooled: boolean): Promise<void> {
    const applied = position ?? this.#applied;
    // What is applied from the spool had been received before.
    const received = position === null || isSpooled ? this.#received : position;
    await this.#set(applied, received);
  }

  /** Durable without being applied; null: pieces of a transaction whose end has not come. */
  async receive(received: Position | null): Promise<void> {
    await this.#set(this.#applied, received ?? this.#received);
  }

  async #set(applied: Position, received: Position): Promise<void> {
    const { stream, owner } = this.#options;
    const [moved] = await this.#session.query<mysql.ResultSetHeader>(
      `UPDATE dbps.checkpoint SET applied = ?, received = ?, mark = mark + 1, updated_at = UTC_TIMESTAMP(6)
        WHERE service = ? AND direction = ? AND epoch = ? AND applied = ? AND received = ?`,
      [applied, received, stream.service, stream.direction, owner.epoch, this.#applied, this.#received],
    );
    if (moved.affectedRows !== 1)
      throw new RefusedError({
        code: 'DBPS_E356',
        message: `the checkpoint of ${stream.service} (${stream.direction}) is not at ${this.#applied} any more: somebody else moved it, or the database was restored`,
        hint: `dbps status ${stream.service}`,
      });
    this.#applied = applied;
    this.#received = received;
  }

  async close(): Promise<void> {
    // In the middle of a statement there is nothing to say goodbye to.
    await this.#session.end().catch(() => this.#session.destroy());
  }
}
