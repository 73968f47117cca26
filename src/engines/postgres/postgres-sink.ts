/** What PostgreSQL brings to the sink of a stream (stream-sink): sessions, chunks, and the statements of its dialect. */
import type pg from 'pg';
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
import { decodeSegment } from '../spool-codec.js';
import { StreamSink, type SinkParts, type StreamRows } from '../stream-sink.js';
import type { SessionPool } from './postgres-connection.js';
import { LATEST_POSITION, readCheckpoint } from './postgres-control.js';
import { described } from './postgres-errors.js';
import { ChangedKeys, HealKeys } from './postgres-key-set.js';
import { openApplySession, PostgresApplySession } from './postgres-sink-apply.js';
import { PostgresCopyWriter } from './postgres-sink-copy.js';

export class PostgresSinkFactory implements SinkFactory {
  constructor(
    readonly pool: SessionPool,
    readonly target: ConnectionTarget,
    readonly options: OpenOptions,
  ) {}

  async open(options: SinkOptions): Promise<Sink> {
    return StreamSink.open(new PostgresSinkParts(this.pool, this.target, this.options, options), options);
  }
}

class PostgresSinkParts implements SinkParts {
  readonly chunks: PostgresCopyWriter;
  readonly heal: HealKeys;
  readonly changed: ChangedKeys;
  readonly described = described;

  constructor(
    readonly pool: SessionPool,
    readonly target: ConnectionTarget,
    open: OpenOptions,
    readonly options: SinkOptions,
  ) {
    const { owner, stream } = options;
    this.chunks = new PostgresCopyWriter(owner, pool, target, open, stream.direction);
    this.heal = new HealKeys(pool, owner);
    this.changed = new ChangedKeys(pool, stream, owner);
  }

  owned<T>(work: (rows: StreamRows) => Promise<T>): Promise<T> {
    return this.pool.ownedTransaction(this.options.owner, (client) =>
      work(new PostgresStreamRows(client, this.options)),
    );
  }

  readCheckpoint(): Promise<Checkpoint | null> {
    const { service, direction } = this.options.stream;
    return this.pool.use((client) => readCheckpoint(client, service, direction));
  }

  async openApply(): Promise<ApplySession> {
    const client = await openApplySession(this.target, this.options.owner);
    return new PostgresApplySession(client, this.options, this.heal, this.changed);
  }

  async readSegment(after: string): Promise<SpoolSegment | null> {
    const { stream, maps } = this.options;
    const [row] = await this.pool.query<{ seq: string; payload: string }>(
      `SELECT seq, payload FROM dbps.spool
        WHERE service = $1 AND direction = $2 AND seq > $3 AND end_position IS NOT NULL ORDER BY seq LIMIT 1`,
      [stream.service, stream.direction, after],
    );
    if (row === undefined) return null;
    return {
      id: row.seq,
      transactions: await decodeSegment(Buffer.from(row.payload.slice(2), 'hex'), maps),
    };
  }

  async readPositions(): Promise<readonly (Position | null)[]> {
    const { stream } = this.options;
    const rows = await this.pool.query<{ position: string | null }>(
      // Chunks travel forward only; going back, both sides were equal at the start.
      `SELECT ${LATEST_POSITION} AS position FROM dbps.chunk WHERE service = $1 AND is_done AND $2 = 'forward'
       UNION SELECT heal_position FROM dbps.checkpoint WHERE service = $1 AND direction = $2`,
      [stream.service, stream.direction],
    );
    return rows.map(({ position }) => position);
  }
}

class PostgresStreamRows implements StreamRows {
  readonly #of: readonly [string, string];

  constructor(
    readonly client: pg.PoolClient,
    readonly options: SinkOptions,
  ) {
    this.#of = [options.stream.service, options.stream.direction];
  }

  readCheckpoint(): Promise<Checkpoint | null> {
    const { service, direction } = this.options.stream;
    return readCheckpoint(this.client, service, direction);
  }

  async writeCheckpoint(capture: PreparedCapture): Promise<void> {
    await this.client.query(
      `INSERT INTO dbps.checkpoint (service, direction, epoch, applied, received, source) VALUES ($1, $2, $3, $4, $4, $5)
       ON CONFLICT (service, direction) DO UPDATE SET epoch = excluded.epoch, applied = excluded.applied,
         received = excluded.received, source = excluded.source, heal_position = NULL, mark = checkpoint.mark + 1`,
      [...this.#of, this.options.owner.epoch, capture.start, JSON.stringify(capture.identity)],
    );
  }

  async claimCheckpoint(): Promise<void> {
    await this.client.query(
      'UPDATE dbps.checkpoint SET epoch = $3, mark = mark + 1 WHERE service = $1 AND direction = $2 AND epoch < $3',
      [...this.#of, this.options.owner.epoch],
    );
  }

  async forgetSpool(which: 'all' | 'unfinished'): Promise<void> {
    await this.client.query(
      `DELETE FROM dbps.spool WHERE service = $1 AND direction = $2${which === 'unfinished' ? ' AND end_position IS NULL' : ''}`,
      [...this.#of],
    );
  }

  async forgetChangedKeys(): Promise<void> {
    await this.client.query('DELETE FROM dbps.changed_key WHERE service = $1 AND direction = $2', [
      ...this.#of,
    ]);
  }

  async forgetHealKeys(): Promise<void> {
    await this.client.query('DELETE FROM dbps.heal_key WHERE service = $1', [this.options.stream.service]);
  }
}
