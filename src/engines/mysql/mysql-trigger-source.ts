/** Capture by triggers: their making and removal, and what can be said of it by looking. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError } from '../../model/errors.js';
import { relationId } from '../../model/relation-id.js';
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
import { CaptureRegistry, type CaptureTrigger, type Registration } from './mysql-capture-registry.js';
import { lockMysqlEpoch, queryable, type MysqlPool } from './mysql-connection.js';
import { described, errorNumber } from './mysql-errors.js';
import { lockPatience } from './mysql-fence-retry.js';
import { IdSet } from './mysql-id-set.js';
import { readShapes, type Shapes } from './mysql-log-relations.js';
import { readLogSettings, type LogSettings } from './mysql-log-settings.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';
import { streamLockName, takeStreamLock } from './mysql-stream-lock.js';
import {
  changeLogName,
  createChangeLogSql,
  triggersOf,
  type TriggerDefinition,
} from './mysql-trigger-log.js';
import {
  formatTriggerPosition,
  isTriggerPositionReached,
  parseTriggerPosition,
} from './mysql-trigger-position.js';
import { MysqlTriggerStream } from './mysql-trigger-stream.js';

const LOCK_WAIT_S = 2;
const LOCK_TRIES = 30;
const LOCK_WAIT_TIMEOUT = 1205;
const NEEDS_SUPER_FOR_LOGGED_TRIGGERS = 1419;
/** Real transactions count up; what only reads gets a number beyond these. */
const READERS_FROM = 2 ** 47;

/** The looking half: works on a session that the server holds read-only. */
export class MysqlTriggerObserver implements CaptureObserver {
  protected readonly registry: CaptureRegistry;

  constructor(
    readonly pool: MysqlPool,
    readonly target: ConnectionTarget,
  ) {
    this.registry = new CaptureRegistry(pool);
  }

  async status(stream: StreamIdentity): Promise<CaptureStatus | null> {
    const row = await this.registry.read(stream);
    if (row === null) return null;
    const log = changeLogName(stream, this.target.database);
    const [table] = await this.pool.query(
      "SELECT data_length FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = ?",
      [log],
    );
    const [lock] = await this.pool.query('SELECT IS_USED_LOCK(?) AS holder', [
      streamLockName(stream, this.target.database),
    ]);
    const damage = await this.damage(row);
    return {
      name: `change log dbps.${log}`,
      method: 'trigger',
      isActive: lock?.['holder'] != null,
      confirmed: row.confirmed,
      retainedBytes: table === undefined ? null : Number(table['data_length']),
      isLost: table === undefined || damage !== null,
      identity: this.identity(await readLogSettings(this.pool), row),
    };
  }

  /** What is in the logs, and what was in them and is on the other side already: a later answer has all that an earlier one had. */
  async currentPosition(): Promise<Position> {
    return this.pool.transaction(async (connection) => {
      const ask = queryable(connection);
      const logs = await ask.query({
        sql: "SELECT table_name FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name LIKE 'change\\_log\\_%'",
      });
      const position = new Map<string, IdSet>();
      // The view begins with the first read of a table.
      const captures =
        logs.length === 0
          ? []
          : await ask.query({ sql: "SELECT confirmed FROM dbps.capture WHERE method = 'trigger'" });
      for (const { confirmed } of captures)
        for (const [log, ids] of parseTriggerPosition(confirmed ?? '')) position.set(log, ids);
      for (const { table_name: log } of logs) {
        if (log == null) continue;
        const ids = position.get(log) ?? new IdSet();
        const ranges = await ask.query({
          sql: `SELECT MIN(id) AS first, MAX(id) AS last
                  FROM (SELECT id, id - ROW_NUMBER() OVER (ORDER BY id) AS run FROM dbps.${quoteIdentifier(log)}) AS numbered
                 GROUP BY run ORDER BY 1`,
        });
        for (const { first, last } of ranges) ids.add(Number(first), Number(last));
        position.set(log, ids);
      }
      const [now] = await ask.query({ sql: 'SELECT ROUND(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000) AS us' });
      return formatTriggerPosition(position, Number(now?.['us'] ?? 0));
    });
  }

  reached(current: Position, target: Position): boolean {
    return isTriggerPositionReached(current, target);
  }

  /** Numbers say nothing of bytes. */
  distance(): number | null {
    return null;
  }

  protected identity(settings: LogSettings, { nonce }: Registration): Readonly<Record<string, string>> {
    return { server: settings.server, database: this.target.database, nonce };
  }

  /** A trigger that is gone, or was made anew: writes in between were not captured. null: all are as they were. */
  protected async damage({ triggers }: Registration): Promise<string | null> {
    const found = await this.#readTriggers(triggers);
    for (const { schema, name, created } of triggers) {
      const now = found.find((trigger) => trigger.schema === schema && trigger.name === name);
      if (now === undefined) return `trigger ${schema}.${name} is gone`;
      if (now.created !== created) return `trigger ${schema}.${name} was made anew at ${now.created}`;
    }
    return null;
  }

  async #readTriggers(
    triggers: readonly Pick<CaptureTrigger, 'schema'>[],
  ): Promise<readonly CaptureTrigger[]> {
    if (triggers.length === 0) return [];
    const rows = await this.pool.query(
      `SELECT trigger_schema, trigger_name, created FROM information_schema.triggers
        WHERE trigger_schema IN (?) AND trigger_name LIKE 'dbps\\_capture\\_%'`,
      [[...new Set(triggers.map(({ schema }) => schema))]],
    );
    return rows.map((row) => ({
      schema: row['trigger_schema'] ?? '',
      name: row['trigger_name'] ?? '',
      created: row['created'] ?? '',
    }));
  }

  protected async findTriggers(
    definitions: readonly TriggerDefinition[],
  ): Promise<readonly CaptureTrigger[]> {
    const found = await this.#readTriggers(definitions);
    return found.filter((trigger) =>
      definitions.some(({ schema, name }) => trigger.schema === schema && trigger.name === name),
    );
  }
}

export class MysqlTriggerSource extends MysqlTriggerObserver implements ChangeSource {
  readonly #applicationName: string;

  constructor(pool: MysqlPool, target: ConnectionTarget, applicationName: string) {
    super(pool, target);
    this.#applicationName = applicationName;
  }

  async prepare(
    stream: StreamIdentity,
    maps: readonly RelationMap[],
    owner: Ownership,
    signal?: AbortSignal,
  ): Promise<PreparedCapture> {
    const settings = await readLogSettings(this.pool);
    const known = await this.registry.read(stream);
    if (known !== null) {
      if (known.method !== 'trigger') throw captureLost(stream, 'it was begun with the binary log');
      const damage = await this.damage(known);
      if (damage !== null) throw captureLost(stream, damage);
      return { start: known.start, created: false, identity: this.identity(settings, known) };
    }
    const shapes = await readShapes(this.pool, maps);
    for (const map of maps) {
      if (shapes[map.source] === undefined) throw changedShape(map.source, 'it is not there');
      if (map.key.length === 0) throw unidentified(map.source);
    }
    const log = changeLogName(stream, this.target.database);
    const table = `dbps.${log}`;
    await this.pool.ownedTransaction(owner, async () => undefined);
    // What an earlier try has left: nothing was copied yet.
    await this.#drop(log, signal);
    await this.pool.query(createChangeLogSql(table));
    const definitions = maps.map((map, i) => triggersOf(table, map, i));
    // The lock waits for the transactions that have written to the relation: what they wrote is committed, and copied. And it keeps writers
    // out until all three are there: an insert that is captured and whose update is not would put the older row over the copied one.
    for (const [i, map] of maps.entries())
      await this.#patiently(
        [
          `LOCK TABLES ${quoteRelation(map.source)} WRITE`,
          ...(definitions[i] ?? []).flatMap(({ schema, name, sql }) => [
            `DROP TRIGGER IF EXISTS ${quoteRelation(relationId(schema, name))}`,
            sql,
          ]),
        ],
        signal,
      );
    const start = formatTriggerPosition(new Map([[log, new IdSet()]]));
    const row: Registration = {
      nonce: randomBytes(8).toString('hex'),
      method: 'trigger',
      start,
      confirmed: start,
      shapes: [shapes],
      triggers: await this.findTriggers(definitions.flat()),
    };
    await this.registry.add(stream, row, owner);
    return { start, created: true, identity: this.identity(settings, row) };
  }

  stream(options: StreamOptions): Promise<ChangeStream> {
    return described(this.#stream(options));
  }

  async #stream(options: StreamOptions): Promise<ChangeStream> {
    const { stream, checkpoint, maps } = options;
    const row = await this.registry.read(stream);
    if (row === null) throw captureLost(stream, 'it is not registered in this database');
    const identity = this.identity(await readLogSettings(this.pool), row);
    assertSameSource(stream, checkpoint, identity);
    const assertIntact = () => this.#assertIntact(stream, row, maps);
    await assertIntact();
    const log = changeLogName(stream, this.target.database);
    const lock = await takeStreamLock(this.target, this.#applicationName, stream);
    const owner = { service: stream.service, epoch: checkpoint.epoch };
    const opened = new MysqlTriggerStream(
      {
        session: lock.session,
        log,
        table: `dbps.${log}`,
        assertIntact,
        confirm: (position) => this.registry.confirm(stream, position, owner),
        purge: (first, last, limit) => this.#purge(`dbps.${log}`, first, last, limit, owner),
        openTransactions: () => this.#openTransactions(),
        describe: (error) => streamLost(this.target, error),
        release: () => lock.release(),
      },
      options,
    );
    lock.onLost((error) => opened.fail(error));
    return opened;
  }

  async teardown(stream: StreamIdentity, owner: Ownership): Promise<void> {
    const log = changeLogName(stream, this.target.database);
    // Without its row it is what a preparation has left that was not finished.
    const left = await this.pool.query(
      "SELECT 1 FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = ?",
      [log],
    );
    if (left.length === 0 && (await this.registry.read(stream)) === null) return;
    const lock = await takeStreamLock(this.target, this.#applicationName, stream);
    try {
      await this.pool.ownedTransaction(owner, async () => undefined);
      await this.#drop(log);
      await this.registry.remove(stream, owner);
    } finally {
      await lock.release();
    }
  }

  async #assertIntact(
    stream: StreamIdentity,
    row: Registration,
    maps: readonly RelationMap[],
  ): Promise<void> {
    const damage = await this.damage(row);
    if (damage !== null) throw captureLost(stream, damage);
    const [then, now] = [row.shapes.at(-1) as Shapes, await readShapes(this.pool, maps)];
    for (const map of maps) {
      const [before, after] = [then[map.source] ?? [], now[map.source] ?? []];
      if (after.length === 0) throw changedShape(map.source, 'it is not there, or has been renamed');
      const planned = map.columns.find(({ name }) => !before.some((column) => column.name === name));
      if (planned !== undefined)
        throw changedShape(
          map.source,
          `column "${planned.name}" came after its triggers: capture has to begin anew`,
        );
      for (const column of after) {
        const old = before.find(({ name }) => name === column.name);
        if (old === undefined && !column.isGenerated)
          throw changedShape(map.source, `column "${column.name}" is not in the plan`);
        if (old !== undefined && old.type !== column.type)
          throw changedShape(map.source, `column "${column.name}" has changed its type`);
      }
      const dropped = before.find(({ name }) => !after.some((column) => column.name === name));
      if (dropped !== undefined)
        throw changedShape(map.source, `column "${dropped.name}" has been dropped or renamed`);
    }
  }

  /** Definitions queue everybody behind them: short waits, many tries. Each begins with all of `statements` anew. */
  async #patiently(statements: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.pool.use(async (connection) => {
      const patience = await lockPatience(connection, { attempts: LOCK_TRIES, waitS: LOCK_WAIT_S });
      try {
        for (let attempt = 1; ; attempt++) {
          signal?.throwIfAborted();
          const pause = await patience(attempt);
          try {
            for (const sql of statements) await connection.query(sql);
            return;
          } catch (error) {
            if (errorNumber(error) === NEEDS_SUPER_FOR_LOGGED_TRIGGERS)
              throw new DatabaseError({
                code: 'DBPS_E405',
                message: `${this.target.toString()}: triggers may only be made by a superuser here, since the binary log is on`,
                hint: 'SET GLOBAL log_bin_trust_function_creators = 1',
                cause: error,
              });
            if (errorNumber(error) !== LOCK_WAIT_TIMEOUT || pause === null) throw error;
            await connection.query('UNLOCK TABLES');
            await sleep(pause, undefined, { signal });
          }
        }
      } finally {
        await connection.query('UNLOCK TABLES').catch(() => undefined);
        await connection.query('SET SESSION lock_wait_timeout = DEFAULT').catch(() => undefined);
      }
    });
  }

  /** Triggers that write into the log, wherever they are, then the log. */
  async #drop(log: string, signal?: AbortSignal): Promise<void> {
    const triggers = await this.pool.query(
      `SELECT trigger_schema, trigger_name FROM information_schema.triggers
        WHERE trigger_name LIKE 'dbps\\_capture\\_%' AND LOCATE(?, action_statement) > 0`,
      [`dbps.${log} `],
    );
    for (const { trigger_schema: schema, trigger_name: name } of triggers)
      await this.#patiently(
        [`DROP TRIGGER IF EXISTS ${quoteIdentifier(schema ?? '')}.${quoteIdentifier(name ?? '')}`],
        signal,
      );
    await this.#patiently([`DROP TABLE IF EXISTS dbps.${log}`], signal);
  }

  /** At a time when nobody can be kept from inserting: record locks only. */
  async #purge(table: string, first: number, last: number, limit: number, owner: Ownership): Promise<number> {
    return this.pool.use(async (connection) => {
      await connection.query('SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
      await connection.query('START TRANSACTION');
      try {
        await lockMysqlEpoch(connection, owner);
        const [result] = await connection.query(
          `DELETE FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ${limit}`,
          [first, last],
        );
        await connection.query('COMMIT');
        return (result as { affectedRows: number }).affectedRows;
      } catch (error) {
        await connection.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  /** The monitor's own text: the table of transactions is a copy that may be old. */
  async #openTransactions(): Promise<ReadonlySet<string> | null> {
    const text = await this.pool
      .use(async (connection) => {
        const rows = await queryable(connection).query({ sql: 'SHOW ENGINE INNODB STATUS' });
        return rows[0]?.['status'] ?? '';
      })
      .catch((error: unknown) => {
        if (errorNumber(error) === 1227) return null;
        throw error;
      });
    return text === null ? null : readOpenTransactions(text);
  }
}

/** Pure. Numbers of transactions that may have written; null when the list was cut. */
export function readOpenTransactions(status: string): ReadonlySet<string> | null {
  if (/^\.\.\. truncated\.\.\./m.test(status)) return null;
  const found = new Set<string>();
  for (const [, id] of status.matchAll(/^---TRANSACTION (\d+), (?!not started)/gm))
    if (Number(id) < READERS_FROM) found.add(id as string);
  return found;
}
