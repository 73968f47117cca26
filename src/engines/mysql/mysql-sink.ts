/** What the MySQL family brings to the sink of a stream (stream-sink): sessions, chunks, and the statements of its dialect. */
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { ApplySession } from '../batch-applier.js';
import type {
  Checkpoint,
  OpenOptions,
  Position,
  PreparedCapture,
  Sink,
  SinkFactory,
  SinkOptions,
  SpoolSegment,
} from '../engine.js';
import { StreamSink, type SinkParts, type StreamRows } from '../stream-sink.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { LATEST_POSITION, MysqlControl, readCheckpoint } from './mysql-control.js';
import { described } from './mysql-errors.js';
import { MysqlChangedKeys, MysqlHealKeys } from './mysql-key-set.js';
import { MysqlApplySession, openApplyConnection } from './mysql-sink-apply.js';
import { MysqlCopyWriter } from './mysql-sink-copy.js';
import { MysqlSpool } from './mysql-spool.js';

export class MysqlSinkFactory implements SinkFactory {
  constructor(
    readonly pool: MysqlPool,
    readonly target: ConnectionTarget,
    readonly options: OpenOptions,
  ) {}

  async open(options: SinkOptions): Promise<Sink> {
    const [row] = await described(this.pool.query('SELECT @@local_infile AS may_load'));
    const mayLoad = row?.['may_load'] === '1';
    const chunks = new MysqlCopyWriter(options.owner, this.pool, this.target, this.options, mayLoad);
    return StreamSink.open(new MysqlSinkParts(this.pool, this.target, options, chunks), options);
  }
}

class MysqlSinkParts implements SinkParts {
  readonly heal: MysqlHealKeys;
  readonly changed: MysqlChangedKeys;
  readonly described = described;
  readonly #spool: MysqlSpool;

  constructor(
    readonly pool: MysqlPool,
    readonly target: ConnectionTarget,
    readonly options: SinkOptions,
    readonly chunks: MysqlCopyWriter,
  ) {
    this.#spool = new MysqlSpool(pool, options.stream);
    this.heal = new MysqlHealKeys(pool, options.owner);
    this.changed = new MysqlChangedKeys(pool, options.stream, options.owner);
  }

  owned<T>(work: (rows: StreamRows) => Promise<T>): Promise<T> {
    return this.pool.ownedTransaction(this.options.owner, (session) =>
      work(new MysqlStreamRows(session, this.options)),
    );
  }

  readCheckpoint(): Promise<Checkpoint | null> {
    const { service, direction } = this.options.stream;
    return new MysqlControl(this.pool).readCheckpoint(service, direction);
  }

  async openApply(): Promise<ApplySession> {
    const connection = await openApplyConnection(this.target, this.options.owner);
    return new MysqlApplySession(connection, this.options, this.heal, this.changed, this.#spool);
  }

  readSegment(after: string): Promise<SpoolSegment | null> {
    return this.#spool.read(after, this.options.maps);
  }

  async readPositions(): Promise<readonly (Position | null | undefined)[]> {
    const { stream } = this.options;
    // Chunks and healed rows travel forward only; going back, both sides were equal at the start.
    if (stream.direction === 'reverse') return [];
    const rows = await this.pool.query(
      `SELECT ${LATEST_POSITION} AS position FROM dbps.chunk WHERE service = ? AND is_done
       UNION SELECT heal_position FROM dbps.checkpoint WHERE service = ? AND direction = ?`,
      [stream.service, stream.service, stream.direction],
    );
    return rows.map((row) => row['position']);
  }
}

class MysqlStreamRows implements StreamRows {
  readonly #of: readonly [string, string];

  constructor(
    readonly session: mysql.Connection,
    readonly options: SinkOptions,
  ) {
    this.#of = [options.stream.service, options.stream.direction];
  }

  readCheckpoint(): Promise<Checkpoint | null> {
    const { service, direction } = this.options.stream;
    return readCheckpoint(queryable(this.session), service, direction);
  }

  async writeCheckpoint(capture: PreparedCapture): Promise<void> {
    await this.session.query(
      `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source) VALUES (?, ?, ?, ?, ?, ?)
       ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), applied = VALUES(applied), received = VALUES(received),
         source = VALUES(source), heal_position = NULL, mark = checkpoint.mark + 1`,
      [...this.#of, this.options.owner.epoch, capture.start, capture.start, JSON.stringify(capture.identity)],
    );
  }

  async claimCheckpoint(): Promise<void> {
    const { epoch } = this.options.owner;
    await this.session.query(
      'UPDATE dbps.checkpoint SET epoch = ?, mark = mark + 1 WHERE service = ? AND direction = ? AND epoch < ?',
      [epoch, ...this.#of, epoch],
    );
  }

  async forgetSpool(which: 'all' | 'unfinished'): Promise<void> {
    await this.session.query(
      `DELETE FROM dbps.spool WHERE service = ? AND direction = ?${which === 'unfinished' ? ' AND end_position IS NULL' : ''}`,
      [...this.#of],
    );
  }

  async forgetChangedKeys(): Promise<void> {
    await this.session.query('DELETE FROM dbps.changed_key WHERE service = ? AND direction = ?', [
      ...this.#of,
    ]);
  }

  async forgetHealKeys(): Promise<void> {
    await this.session.query('DELETE FROM dbps.heal_key WHERE service = ?', [this.options.stream.service]);
  }
}
