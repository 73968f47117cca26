/**
 * Applies batches of changes: one target transaction a batch, which first locks the epoch, then moves the checkpoint by compare-and-set
 * (that row's change is also the mark by which the opposite direction knows it as dbps's own), then writes net changes window by
 * window, then the keys of what changed. A transaction of any size passes through in windows, so that memory stays flat.
 */
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { RefusedError } from '../../model/errors.js';
import type {
  ApplyBatch,
  ApplyOutcome,
  Ownership,
  Position,
  RelationMap,
  StreamIdentity,
} from '../engine.js';
import { lockEpoch, openSession } from './postgres-connection.js';
import { describeError } from './postgres-errors.js';
import { BULK_SETTINGS } from './postgres-copy-sessions.js';
import type { ChangedKeys, HealKeys } from './postgres-key-set.js';
import { BatchWriter, type Certainty } from '../change-batch.js';
import { keyPlaces } from '../merge-window.js';
import { readTargetTable, type TargetTable } from './postgres-sink-table.js';
import { WindowWriter } from './postgres-sink-window.js';

export interface ApplierOptions {
  readonly target: ConnectionTarget;
  readonly stream: StreamIdentity;
  readonly owner: Ownership;
  readonly maps: readonly RelationMap[];
  readonly heal: HealKeys;
  readonly changed: ChangedKeys;
}

/** A session for applying: what is committed is on disk, row security fails loudly, triggers and keys are off where that can be had. */
export async function openApplySession(target: ConnectionTarget, owner: Ownership): Promise<pg.Client> {
  const session = await openSession(target, {
    applicationName: `dbps ${owner.service} apply`,
    settings: {
      ...BULK_SETTINGS,
      synchronous_commit: 'on',
      work_mem: '64MB',
      // A batch is joined to its table by the key's index, whatever the planner thinks of its size: one plan, made once.
      plan_cache_mode: 'force_generic_plan',
      enable_seqscan: 'off',
      enable_hashjoin: 'off',
      enable_mergejoin: 'off',
    },
  });
  try {
    await session.query('SET session_replication_role = replica');
  } catch (error) {
    // Needs a grant; without it the fence part keeps triggers and foreign keys away from the side that is not the owner. Any other failure (the
    // session died, a timeout) would leave an applier that fires triggers although it was promised that it does not.
    if ((error as { code?: string }).code === INSUFFICIENT_PRIVILEGE) return session;
    await session.end().catch(() => undefined);
    throw describeError(error) ?? error;
  }
  return session;
}

const INSUFFICIENT_PRIVILEGE = '42501';

export class PostgresApplier {
  readonly #options: ApplierOptions;
  readonly #client: pg.Client;
  #writer: WindowWriter | null = null;
  readonly #places: ReadonlyMap<RelationMap, readonly number[]>;
  #applied: Position;
  #received: Position;

  private constructor(
    options: ApplierOptions,
    client: pg.Client,
    at: { readonly applied: Position; readonly received: Position },
  ) {
    this.#options = options;
    this.#client = client;
    this.#places = new Map(options.maps.map((map) => [map, keyPlaces(map)]));
    this.#applied = at.applied;
    this.#received = at.received;
  }

  static async open(
    options: ApplierOptions,
    at: { readonly applied: Position; readonly received: Position },
  ): Promise<PostgresApplier> {
    const client = await openApplySession(options.target, options.owner);
    return new PostgresApplier(options, client, at);
  }

  /** Not before something is applied: while the copy runs, changes are only kept, and the tables have no keys yet. */
  async #openWriter(): Promise<WindowWriter> {
    if (this.#writer !== null) return this.#writer;
    const tables = new Map<RelationMap, TargetTable>();
    for (const map of this.#options.maps) tables.set(map, await readTargetTable(this.#client, map));
    this.#writer = new WindowWriter(this.#client, tables);
    return this.#writer;
  }

  get client(): pg.Client {
    return this.#client;
  }

  async apply(batch: ApplyBatch): Promise<ApplyOutcome> {
    const window = await this.#openWriter();
    window.statements = 0;
    window.wasUnmerged = false;
    return this.transaction(async () => {
      await this.#move(batch.end, batch.spooled !== undefined);
      const writer = new BatchWriter(window, this.#certainty(batch), this.#places, (map, keys) =>
        this.#options.changed.addWith(this.#client, map, keys),
      );
      // Most batches are thousands of small transactions, all there: a turn of the event loop for each would cost more than they do.
      if (Symbol.iterator in batch.transactions) await writer.write(batch.transactions);
      else for await (const piece of batch.transactions) await writer.write([piece]);
      await writer.flush();
      if (batch.end === null) {
        if (writer.end === null) throw new RangeError('a batch without the last piece of its transaction');
        await this.#move(writer.end, batch.spooled !== undefined);
      }
      if (batch.spooled !== undefined)
        await this.#client.query(
          'DELETE FROM dbps.spool WHERE service = $1 AND direction = $2 AND seq <= $3',
          [this.#options.stream.service, this.#options.stream.direction, batch.spooled.through],
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
        await this.#options.heal.addWith(this.#client, map, keys);
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
    await this.#client.query('BEGIN');
    try {
      await lockEpoch(this.#client, this.#options.owner);
      const result = await work();
      await this.#client.query('COMMIT');
      return result;
    } catch (error) {
      this.#applied = before.applied;
      this.#received = before.received;
      await this.#client.query('ROLLBACK').catch(() => undefined);
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
    const { rowCount } = await this.#client.query({
      name: 'dbps_checkpoint',
      text: `UPDATE dbps.checkpoint SET applied = $4, received = $5, mark = mark + 1, updated_at = clock_timestamp()
              WHERE service = $1 AND direction = $2 AND epoch = $3 AND applied = $6 AND received = $7`,
      values: [
        stream.service,
        stream.direction,
        owner.epoch,
        applied,
        received,
        this.#applied,
        this.#received,
      ],
    });
    if (rowCount !== 1)
      throw new RefusedError({
        code: 'DBPS_E356',
        message: `the checkpoint of ${stream.service} (${stream.direction}) is not at ${this.#applied} any more: somebody else moved it, or the database was restored`,
        hint: `dbps status ${stream.service}`,
      });
    this.#applied = applied;
    this.#received = received;
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined);
  }
}
