/**
 * Capture from the binary log. The server keeps no place for a reader, so the place is the checkpoint on the other side, and what the log
 * still has is asked before each start: a file that was purged, or a log that was begun anew under the same names, is a lost capture,
 * never a start somewhere else.
 */
import { randomBytes } from 'node:crypto';
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError, RefusedError } from '../../model/errors.js';
import { parseRelationId } from '../../model/relation-id.js';
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
import {
  assertSameSource,
  captureLost,
  changedShape,
  otherSource,
  unidentified,
} from '../stream-refusals.js';
import type { TransactionWatch, WatchOptions } from '../usage.js';
import { BinlogReader } from './mysql-binlog-reader.js';
import { CaptureRegistry, type Registration } from './mysql-capture-registry.js';
import { streamLockName, takeStreamLock } from './mysql-stream-lock.js';
import { describeLost, MysqlChangeStream } from './mysql-change-stream.js';
import { Charsets } from './mysql-charset.js';
import type { MysqlPool } from './mysql-connection.js';
import { described, isDenied } from './mysql-errors.js';
import { MysqlLogRelations, readShapes, uncapturable, whyUnreadable } from './mysql-log-relations.js';
import {
  assessLogSettings,
  readLogFiles,
  readLogHead,
  readLogSettings,
  type LogHead,
  type LogSettings,
} from './mysql-log-settings.js';
import {
  coversGtids,
  formatLogPosition,
  isLogPositionReached,
  logDistance,
  parseLogPosition,
  type LogPosition,
} from './mysql-position.js';
import { watchTransactions } from './mysql-transaction-watch.js';

/** Noting what is durable writes to the log that is read: seldom. */
const CONFIRM_EVERY_MS = 60_000;
/** The dump's request has 32 bits for it. */
const LAST_OFFSET = 0xffff_ffff;

/** The looking half: works on a session that the server holds read-only. */
export class MysqlCaptureObserver implements CaptureObserver {
  protected readonly registry: CaptureRegistry;
  #settings: Promise<LogSettings> | null = null;
  /** Sizes of the log's files as last seen. */
  #sizes: ReadonlyMap<string, number> = new Map();

  constructor(
    readonly pool: MysqlPool,
    readonly target: ConnectionTarget,
  ) {
    this.registry = new CaptureRegistry(pool);
  }

  async status(stream: StreamIdentity): Promise<CaptureStatus | null> {
    const row = await this.registry.read(stream);
    if (row === null) return null;
    const settings = await this.settings();
    const files = settings.isOn ? await this.files() : new Map<string, number>();
    const { file } = parseLogPosition(row.confirmed);
    const [lock] = await this.pool.query('SELECT IS_USED_LOCK(?) AS holder', [
      streamLockName(stream, this.target.database),
    ]);
    const head = files === null ? null : [...files].at(-1);
    return {
      name: `binary log from ${file}`,
      isActive: lock?.['holder'] != null,
      confirmed: row.confirmed,
      retainedBytes:
        head === null || head === undefined || files === null
          ? null
          : logDistance(
              row.confirmed,
              formatLogPosition({ file: head[0], offset: head[1], created: 0, gtids: '' }),
              files,
            ),
      // An account that may not ask does not know: it is said by the stream then.
      isLost: files !== null && !files.has(file),
      identity: this.identity(settings, row),
    };
  }

  async currentPosition(): Promise<Position> {
    const head = await this.head();
    return formatLogPosition(head);
  }

  reached(current: Position, target: Position): boolean {
    return isLogPositionReached(current, target);
  }

  distance(from: Position, to: Position): number | null {
    return logDistance(from, to, this.#sizes);
  }

  protected identity(settings: LogSettings, { nonce }: Registration): Readonly<Record<string, string>> {
    return { server: settings.server, database: this.target.database, nonce };
  }

  /** Read once: none of it changes under a server that runs, but for what prepare reads anew. */
  protected settings(): Promise<LogSettings> {
    this.#settings ??= readLogSettings(this.pool).catch((error: unknown) => {
      this.#settings = null;
      throw error;
    });
    return this.#settings;
  }

  protected async files(): Promise<ReadonlyMap<string, number> | null> {
    const files = await readLogFiles(this.pool);
    if (files !== null) this.#sizes = files;
    return files;
  }

  protected async head(): Promise<LogHead> {
    const head = await readLogHead(this.pool, await this.settings());
    if (head === null)
      throw unloggable(
        this.target,
        'the server writes no binary log (log_bin is OFF)',
        'set log_bin and restart the server',
      );
    return head;
  }
}

export class MysqlChangeSource extends MysqlCaptureObserver implements ChangeSource {
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
    signal?.throwIfAborted();
    const settings = await readLogSettings(this.pool);
    const [problem] = assessLogSettings(settings);
    if (problem !== undefined) throw unloggable(this.target, problem.problem, problem.remedy);
    const shapes = await readShapes(this.pool, maps);
    for (const map of maps) {
      const columns = shapes[map.source];
      if (columns === undefined) throw changedShape(map.source, 'it is not there');
      for (const column of columns) {
        const why = column.isGenerated ? null : whyUnreadable(column);
        if (why !== null) throw uncapturable(map.source, `column "${column.name}": ${why}`);
      }
      if (map.key.length === 0) throw unidentified(map.source);
    }
    const known = await this.registry.read(stream);
    if (known !== null) {
      if (known.method !== 'log') throw captureLost(stream, 'it was begun with triggers');
      return { start: known.start, created: false, identity: this.identity(settings, known) };
    }

    const head = await this.head();
    const filtered = filteredDatabase(head, maps);
    if (filtered !== null)
      throw unloggable(
        this.target,
        `changes of database ${filtered} are left out (binlog_do_db or binlog_ignore_db)`,
        'take the filter out of the configuration, and restart the server',
      );
    // Read once before anything is written: that it can be, and when the file was begun.
    const reader = await this.#openReader(
      { stream, checkpoint: { received: formatLogPosition(head) } },
      head,
    );
    const created = reader.created;
    await reader.close();
    const row: Registration = {
      nonce: randomBytes(8).toString('hex'),
      method: 'log',
      start: formatLogPosition({ ...head, created, gtids: await this.#gtidsAt(settings, head) }),
      confirmed: formatLogPosition({ ...head, created, gtids: '' }),
      shapes: [shapes],
      triggers: [],
    };
    // Its commit comes behind every transaction that is in the log before the start: those are seen by everybody now.
    await this.registry.add(stream, row, owner);
    return { start: row.start, created: true, identity: this.identity(settings, row) };
  }

  stream(options: StreamOptions): Promise<ChangeStream> {
    return described(this.#stream(options));
  }

  async #stream(options: StreamOptions): Promise<ChangeStream> {
    const { stream, checkpoint } = options;
    const row = await this.registry.read(stream);
    if (row === null) throw captureLost(stream, 'it is not registered in this database');
    const settings = await this.settings();
    const identity = this.identity(settings, row);
    assertSameSource(stream, checkpoint, identity);
    const from = parseLogPosition(checkpoint.received);
    await this.#assertStillThere(stream, from);
    if (from.gtids !== '') await this.#assertSameLog(stream, settings, from);

    const owner = { service: stream.service, epoch: checkpoint.epoch };
    const shapes = await readShapes(this.pool, options.maps);
    const known =
      JSON.stringify(row.shapes.at(-1)) === JSON.stringify(shapes) ? row.shapes : [...row.shapes, shapes];
    if (known !== row.shapes) await this.registry.addShapes(stream, known, owner);

    const lock = await takeStreamLock(this.target, this.#applicationName, stream);
    try {
      const reader = await this.#openReader(options, from);
      lock.onLost((error) => reader.fail(error));
      if (from.created !== 0 && reader.created !== from.created) {
        await reader.close();
        throw otherSource(
          stream,
          `file ${from.file} of its log was begun at ${instant(reader.created)}, not at ${instant(from.created)}: the log was reset since`,
        );
      }
      let confirmedAtMs = Date.now();
      return new MysqlChangeStream(
        {
          reader,
          relations: new MysqlLogRelations(this.pool, new Charsets(this.pool), options.maps, known),
          target: this.target,
          foldsCase: settings.foldsCase,
          gtids: from.gtids === '' ? await this.#gtidsAt(settings, from) : from.gtids,
          acknowledged: (position) => {
            if (Date.now() - confirmedAtMs < CONFIRM_EVERY_MS) return;
            confirmedAtMs = Date.now();
            this.registry
              .confirm(stream, position, owner)
              .catch((error: unknown) =>
                reader.fail(error instanceof Error ? error : new Error(String(error))),
              );
          },
          release: () => lock.release(),
        },
        options,
      );
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  watch(options: WatchOptions): Promise<TransactionWatch> {
    return watchTransactions(this.pool, this.target, this.#applicationName, options);
  }

  async teardown(stream: StreamIdentity, owner: Ownership): Promise<void> {
    if ((await this.registry.read(stream)) === null) return;
    const lock = await takeStreamLock(this.target, this.#applicationName, stream);
    try {
      await this.registry.remove(stream, owner);
    } finally {
      await lock.release();
    }
  }

  async #openReader(
    options: Pick<StreamOptions, 'stream'> & { readonly checkpoint: { readonly received: Position } },
    from: LogPosition,
  ): Promise<BinlogReader> {
    try {
      return await BinlogReader.open(this.target, this.#applicationName, from);
    } catch (error) {
      if (isDenied(error))
        throw new DatabaseError({
          code: 'DBPS_E405',
          message: `${this.target.toString()}: ${(error as Error).message}`,
          hint: `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account of dbps`,
          cause: error,
        });
      throw describeLost(error, this.target, options);
    }
  }

  /** MariaDB tells GTIDs of any place in its log; MySQL of its end, with the end itself. */
  async #gtidsAt(
    settings: LogSettings,
    { file, offset, gtids }: Pick<LogPosition, 'file' | 'offset' | 'gtids'>,
  ): Promise<string> {
    if (settings.product === 'MySQL') return gtids;
    const [row] = await this.pool.query('SELECT BINLOG_GTID_POS(?, ?) AS gtids', [file, offset]);
    return row?.['gtids'] ?? '';
  }

  /** After RESET MASTER, or on a copy of the server from before, the same names and offsets stand for other transactions. */
  async #assertSameLog(stream: StreamIdentity, settings: LogSettings, from: LogPosition): Promise<void> {
    const now =
      settings.product === 'MariaDB' ? await this.#gtidsAt(settings, from) : (await this.head()).gtids;
    const isSame =
      coversGtids(now, from.gtids) && (settings.product === 'MySQL' || coversGtids(from.gtids, now));
    if (!isSame)
      throw otherSource(
        stream,
        `its log has ${now || 'no transactions'} where the checkpoint has ${from.gtids}: it was reset, or restored`,
      );
  }

  async #assertStillThere(stream: StreamIdentity, from: LogPosition): Promise<void> {
    if (from.offset > LAST_OFFSET)
      throw captureLost(stream, `its place lies behind a transaction of more than 4 GB in ${from.file}`);
    const files = await this.files();
    if (files === null) return;
    const size = files.get(from.file);
    if (size === undefined)
      throw captureLost(
        stream,
        `the server no longer has ${from.file}, from which it has to go on; it keeps its log for too short a time (binlog_expire_logs_seconds, expire_logs_days)`,
      );
    if (size < from.offset)
      throw otherSource(
        stream,
        `${from.file} has ${size} bytes, the checkpoint lies at ${from.offset}: the log was reset, or restored`,
      );
  }
}

const instant = (seconds: number): string => new Date(seconds * 1000).toISOString();

function filteredDatabase(head: LogHead, maps: readonly RelationMap[]): string | null {
  const databases = new Set(['dbps', ...maps.map((map) => parseRelationId(map.source).schema)]);
  for (const database of databases) {
    if (head.ignoredDatabases.includes(database)) return database;
    if (head.onlyDatabases.length > 0 && !head.onlyDatabases.includes(database)) return database;
  }
  return null;
}

function unloggable(target: ConnectionTarget, problem: string, remedy: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E359',
    message: `changes cannot be captured from the log of ${target.toString()}: ${problem}`,
    hint: remedy,
  });
}
