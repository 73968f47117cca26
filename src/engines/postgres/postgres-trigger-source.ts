/** Capture by triggers: their making and removal, and what can be said of it by looking. */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type {
  CaptureObserver,
  CaptureStatus,
  ChangeSource,
  ChangeStream,
  Ownership,
  Position,
  PreparedCapture,
  RelationMap,
  StreamIdentity,
  StreamOptions,
} from '../engine.js';
import { assertSameSource, captureLost, changedShape, streamLost, unidentified } from '../stream-refusals.js';
import { lockEpoch, openSession, type SessionPool } from './postgres-connection.js';
import { described, sqlState } from './postgres-errors.js';
import { readTree, type TreeRow } from './postgres-log-relations.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';
import {
  changeLogName,
  createLogSql,
  rowTriggerSql,
  triggerName,
  truncateTriggerSql,
} from './postgres-trigger-log.js';
import { BEFORE_ALL, formatSnapshotPosition, isSnapshotReached } from './postgres-trigger-position.js';
import { PostgresTriggerStream } from './postgres-trigger-stream.js';

/**
 * Definitions queue writers behind them: short waits, many tries. Less than deadlock_timeout (a partitioned relation locks its leaves one by
 * one), so that it is always this one that gives up, never the application (H14).
 */
const STATEMENT_TIMEOUT = '700ms';
const LOCK_TRIES = 100;
const PURGE_ROWS = 5_000;

/** What the log table's comment says: whose it is, and what its relations and triggers were. */
interface CaptureMark {
  readonly dbps: 1;
  readonly nonce: string;
  /** By relation: columns with their types' numbers, and the row trigger's. */
  readonly relations: Readonly<
    Record<string, { readonly columns: Readonly<Record<string, number>>; readonly trigger: string }>
  >;
}

/** The looking half: works on a session that the server holds read-only. */
export class PostgresTriggerObserver implements CaptureObserver {
  constructor(
    readonly pool: SessionPool,
    readonly target: ConnectionTarget,
  ) {}

  async status(stream: StreamIdentity): Promise<CaptureStatus | null> {
    const mark = await this.readMark(stream);
    if (mark === null) return null;
    const [row] = await this.pool.query<{ bytes: string; holder: string | null }>(
      `SELECT pg_total_relation_size(${quoteLiteral(`dbps.${changeLogName(stream)}`)}) AS bytes,
              (${holderSql(stream)}) AS holder`,
    );
    return {
      name: `change log dbps.${changeLogName(stream)}`,
      method: 'trigger',
      isActive: row?.holder != null,
      confirmed: START,
      retainedBytes: Number(row?.bytes ?? 0),
      isLost: (await this.damage(stream, mark)) !== null,
      identity: await this.identity(mark),
    };
  }

  async currentPosition(): Promise<Position> {
    const [row] = await this.pool.query<{ snapshot: string }>(
      'SELECT pg_current_snapshot()::text AS snapshot',
    );
    return formatSnapshotPosition(row?.snapshot ?? '');
  }

  reached(current: Position, target: Position): boolean {
    return isSnapshotReached(current, target);
  }

  /** Numbers of transactions say nothing of bytes. */
  distance(): number | null {
    return null;
  }

  protected async identity({ nonce }: CaptureMark): Promise<Readonly<Record<string, string>>> {
    const [server] = await this.pool.query<{ system: string; timeline: string }>(
      `SELECT (SELECT system_identifier FROM pg_control_system()) AS system,
              (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline`,
    );
    return {
      system: server?.system ?? '',
      timeline: server?.timeline ?? '',
      database: this.target.database,
      nonce,
    };
  }

  protected async readMark(stream: StreamIdentity): Promise<CaptureMark | null> {
    const [row] = await this.pool.query<{ comment: string | null }>(
      `SELECT obj_description(to_regclass(${quoteLiteral(`dbps.${changeLogName(stream)}`)}), 'pg_class') AS comment`,
    );
    return row?.comment == null ? null : (JSON.parse(row.comment) as CaptureMark);
  }

  /** A trigger that is gone, was made anew or is switched off: writes in between were not captured. null: all are as they were. */
  protected async damage(stream: StreamIdentity, { relations }: CaptureMark): Promise<string | null> {
    const found = await this.readTriggers(stream, 'row');
    for (const [relation, { trigger }] of Object.entries(relations)) {
      const now = found.find((row) => row.oid === trigger);
      if (now === undefined) return `the trigger on ${relation} is gone, or was made anew`;
      if (now.enabled === 'D') return `the trigger on ${relation} is switched off`;
    }
    return null;
  }

  /** Those of roots and whole relations; what leaves inherit is not named. */
  protected readTriggers(
    stream: StreamIdentity,
    kind: 'row' | 'truncate',
  ): Promise<readonly { oid: string; relation: string; enabled: string }[]> {
    return this.pool.query(
      `SELECT oid, tgrelid AS relation, tgenabled AS enabled FROM pg_trigger WHERE tgname = $1`,
      [triggerName(stream, kind)],
    );
  }
}

const START = formatSnapshotPosition(BEFORE_ALL);

export class PostgresTriggerSource extends PostgresTriggerObserver implements ChangeSource {
  readonly #applicationName: string;

  constructor(pool: SessionPool, target: ConnectionTarget, applicationName: string) {
    super(pool, target);
    this.#applicationName = applicationName;
  }

  async prepare(
    stream: StreamIdentity,
    maps: readonly RelationMap[],
    owner: Ownership,
    signal?: AbortSignal,
  ): Promise<PreparedCapture> {
    const known = await this.readMark(stream);
    if (known !== null) {
      const damage = await this.damage(stream, known);
      if (damage !== null) throw captureLost(stream, damage);
      return { start: START, created: false, identity: await this.identity(known) };
    }
    const tree = await readTree(this.pool, maps);
    for (const map of maps) {
      if (!tree.some((row) => row.id === map.source)) throw changedShape(map.source, 'it is not there');
      if (map.key.length === 0) throw unidentified(map.source);
    }
    const mark = { dbps: 1, nonce: randomBytes(8).toString('hex') } as const;
    // What an earlier try has left: nothing was copied yet.
    await this.teardown(stream, owner);
    await this.#patiently(owner, signal, async (client) => {
      for (const sql of createLogSql(stream, maps)) await client.query(sql);
    });
    const relations: Record<string, CaptureMark['relations'][string]> = {};
    // Each waits for the transactions that have written to its relation: what they wrote is there for the copy to see.
    for (const [index, map] of maps.entries()) {
      const trigger = await this.#patiently(owner, signal, async (client) => {
        await client.query(`LOCK TABLE ${quoteRelation(map.source)} IN SHARE ROW EXCLUSIVE MODE`);
        await client.query(rowTriggerSql(stream, map.source, index));
        for (const row of tree)
          if (row.map === map) await client.query(truncateTriggerSql(stream, row.id, index));
        const { rows } = await client.query<{ oid: string }>(
          'SELECT oid FROM pg_trigger WHERE tgname = $1 AND tgrelid = $2::regclass',
          [triggerName(stream, 'row'), quoteRelation(map.source)],
        );
        return rows[0]?.oid ?? '';
      });
      const columns = tree.find((row) => row.id === map.source)?.columns ?? new Map<string, number>();
      relations[map.source] = { columns: Object.fromEntries(columns), trigger };
    }
    const made: CaptureMark = { ...mark, relations };
    await this.#patiently(owner, signal, async (client) => {
      await client.query(
        `COMMENT ON TABLE dbps.${changeLogName(stream)} IS ${quoteLiteral(JSON.stringify(made))}`,
      );
    });
    return { start: START, created: true, identity: await this.identity(made) };
  }

  stream(options: StreamOptions): Promise<ChangeStream> {
    return described(this.#stream(options));
  }

  async #stream(options: StreamOptions): Promise<ChangeStream> {
    const { stream, checkpoint, maps } = options;
    const mark = await this.readMark(stream);
    if (mark === null) throw captureLost(stream, 'its change log is not there');
    assertSameSource(stream, checkpoint, await this.identity(mark));
    const owner = { service: stream.service, epoch: checkpoint.epoch };
    const assertIntact = () => this.#assertIntact(stream, mark, maps, owner);
    await assertIntact();
    const session = await this.#takeLock(stream);
    const table = `dbps.${changeLogName(stream)}`;
    return new PostgresTriggerStream(
      {
        session,
        table,
        assertIntact,
        purge: (snapshot) => this.#purge(table, snapshot, owner),
        describe: (error) => streamLost(this.target, error),
        release: () => session.end().catch(() => undefined),
      },
      options,
    );
  }

  async teardown(stream: StreamIdentity, owner: Ownership): Promise<void> {
    // Without its mark it is what a preparation has left that was not finished.
    const [found] = await this.pool.query<{ log: string | null }>(
      `SELECT to_regclass(${quoteLiteral(`dbps.${changeLogName(stream)}`)}) AS log`,
    );
    if (found?.log == null) return;
    const session = await this.#takeLock(stream);
    try {
      await this.#remove(stream, owner);
    } finally {
      await session.end().catch(() => undefined);
    }
  }

  /** Relation by relation: a definition that held one and waited for the next could deadlock with a writer. */
  async #remove(stream: StreamIdentity, owner: Ownership): Promise<void> {
    const log = changeLogName(stream);
    const triggers = await this.pool.query<{ schema: string; relation: string; name: string }>(
      `SELECT n.nspname AS schema, c.relname AS relation, t.tgname AS name
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgname = ANY ($1) AND t.tgparentid = 0`,
      [[triggerName(stream, 'row'), triggerName(stream, 'truncate')]],
    );
    for (const { schema, relation, name } of triggers)
      await this.#patiently(owner, undefined, async (client) => {
        const on = `${quoteIdentifier(schema)}.${quoteIdentifier(relation)}`;
        await client.query(`DROP TRIGGER IF EXISTS ${quoteIdentifier(name)} ON ${on}`);
      });
    await this.#patiently(owner, undefined, async (client) => {
      const { rows } = await client.query<{ name: string }>(
        "SELECT proname AS name FROM pg_proc WHERE pronamespace = 'dbps'::regnamespace AND starts_with(proname, $1)",
        [`${log}_`],
      );
      for (const { name } of rows) await client.query(`DROP FUNCTION dbps.${quoteIdentifier(name)}()`);
      await client.query(`DROP TABLE IF EXISTS dbps.${log}`);
    });
  }

  async #assertIntact(
    stream: StreamIdentity,
    mark: CaptureMark,
    maps: readonly RelationMap[],
    owner: Ownership,
  ): Promise<void> {
    const damage = await this.damage(stream, mark);
    if (damage !== null) throw captureLost(stream, damage);
    const tree = await readTree(this.pool, maps);
    for (const map of maps) {
      const now = tree.find((row) => row.id === map.source)?.columns;
      const then = mark.relations[map.source]?.columns ?? {};
      if (now === undefined) throw changedShape(map.source, 'it is not there, or has been renamed');
      for (const [name, type] of now) {
        if (then[name] === undefined) throw changedShape(map.source, `column "${name}" is not in the plan`);
        if (then[name] !== type) throw changedShape(map.source, `column "${name}" has changed its type`);
      }
      const dropped = Object.keys(then).find((name) => !now.has(name));
      if (dropped !== undefined)
        throw changedShape(map.source, `column "${dropped}" has been dropped or renamed`);
    }
    await this.#coverLeaves(stream, maps, tree, owner);
  }

  /** Rows of a partition that came later are captured by the trigger that it inherits; its TRUNCATE needs one of its own. */
  async #coverLeaves(
    stream: StreamIdentity,
    maps: readonly RelationMap[],
    tree: readonly TreeRow[],
    owner: Ownership,
  ): Promise<void> {
    const covered = new Set(
      (await this.readTriggers(stream, 'truncate')).map(({ relation }) => Number(relation)),
    );
    const bare = tree.filter((row) => !covered.has(row.oid));
    for (const row of bare)
      await this.#patiently(owner, undefined, async (client) => {
        await client.query(truncateTriggerSql(stream, row.id, maps.indexOf(row.map)));
      });
  }

  async #patiently<T>(
    owner: Ownership,
    signal: AbortSignal | undefined,
    work: (client: pg.PoolClient) => Promise<T>,
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      try {
        return await this.pool.ownedTransaction(owner, async (client) => {
          await client.query(`SET LOCAL statement_timeout = '${STATEMENT_TIMEOUT}'`);
          return work(client);
        });
      } catch (error) {
        const isBusy = ['57014', '55P03', '40P01'].includes(sqlState(error) ?? '');
        if (!isBusy || tries === LOCK_TRIES) throw error;
      }
      await sleep(200, undefined, { signal });
    }
  }

  async #purge(table: string, snapshot: string, owner: Ownership): Promise<void> {
    for (;;) {
      const deleted = await this.pool.transaction(async (client) => {
        await lockEpoch(client, owner);
        const { rowCount } = await client.query(
          `DELETE FROM ${table} WHERE id IN
             (SELECT id FROM ${table} WHERE pg_visible_in_snapshot(xid, $1::pg_snapshot) ORDER BY id LIMIT ${PURGE_ROWS})`,
          [snapshot],
        );
        return rowCount ?? 0;
      });
      if (deleted < PURGE_ROWS) return;
    }
  }

  /** Whoever holds it holds it without the lease: the caller's epoch is already in the checkpoint. */
  async #takeLock(stream: StreamIdentity): Promise<pg.Client> {
    const session = await openSession(this.target, {
      applicationName: this.#applicationName,
      settings: { idle_in_transaction_session_timeout: '0', idle_session_timeout: '0', lock_timeout: '10s' },
    });
    try {
      const { rows } = await session.query<{ got: string }>(
        `SELECT pg_try_advisory_lock(${lockKey(stream).join(', ')}) AS got`,
      );
      if (rows[0]?.got !== 't') {
        await session.query(
          `SELECT pg_terminate_backend(holder) FROM (${holderSql(stream)}) AS found (holder)`,
        );
        await session.query(`SELECT pg_advisory_lock(${lockKey(stream).join(', ')})`);
      }
      return session;
    } catch (error) {
      await session.end().catch(() => undefined);
      throw error;
    }
  }
}

/** Locks of this kind belong to the database, so the stream's name is enough. */
function lockKey(stream: StreamIdentity): readonly [number, number] {
  const digest = createHash('sha256').update(changeLogName(stream)).digest();
  return [digest.readInt32BE(0), digest.readInt32BE(4)];
}

function holderSql(stream: StreamIdentity): string {
  const [first, second] = lockKey(stream);
  return `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = ${first}::bigint & 4294967295 AND objid = ${second}::bigint & 4294967295 LIMIT 1`;
}
