/** The applier's session and its statements (batch-applier). */
import type pg from 'pg';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { ApplySession, CountingWriter, Places } from '../batch-applier.js';
import type {
  ChangeTransaction,
  Key,
  Ownership,
  Position,
  RelationMap,
  SinkOptions,
  StreamIdentity,
} from '../engine.js';
import { encodeSegment } from '../spool-codec.js';
import { lockEpoch, openSession } from './postgres-connection.js';
import { describeError } from './postgres-errors.js';
import { BULK_SETTINGS } from './postgres-copy-sessions.js';
import type { ChangedKeys, HealKeys } from './postgres-key-set.js';
import { readTargetTable, type TargetTable } from './postgres-sink-table.js';
import { WindowWriter } from './postgres-sink-window.js';

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

export class PostgresApplySession implements ApplySession {
  constructor(
    readonly client: pg.Client,
    readonly options: SinkOptions,
    readonly heal: HealKeys,
    readonly changed: ChangedKeys,
  ) {}

  async begin(): Promise<void> {
    await this.client.query('BEGIN');
  }

  async commit(): Promise<void> {
    await this.client.query('COMMIT');
  }

  async rollback(): Promise<void> {
    await this.client.query('ROLLBACK');
  }

  lockEpoch(): Promise<void> {
    return lockEpoch(this.client, this.options.owner);
  }

  async moveCheckpoint(from: Places, to: Places): Promise<boolean> {
    const { stream, owner } = this.options;
    const { rowCount } = await this.client.query({
      name: 'dbps_checkpoint',
      text: `UPDATE dbps.checkpoint SET applied = $4, received = $5, mark = mark + 1, updated_at = clock_timestamp()
              WHERE service = $1 AND direction = $2 AND epoch = $3 AND applied = $6 AND received = $7`,
      values: [...of(stream), owner.epoch, to.applied, to.received, from.applied, from.received],
    });
    return rowCount === 1;
  }

  async openWriter(): Promise<CountingWriter> {
    const tables = new Map<RelationMap, TargetTable>();
    for (const map of this.options.maps) tables.set(map, await readTargetTable(this.client, map));
    return new WindowWriter(this.client, tables);
  }

  addChangedKeys(map: RelationMap, keys: readonly Key[]): Promise<void> {
    return this.changed.addWith(this.client, map, keys);
  }

  addHealKeys(map: RelationMap, keys: readonly Key[]): Promise<void> {
    return this.heal.addWith(this.client, map, keys);
  }

  async dropSpooled(through: string): Promise<void> {
    await this.client.query('DELETE FROM dbps.spool WHERE service = $1 AND direction = $2 AND seq <= $3', [
      ...of(this.options.stream),
      through,
    ]);
  }

  async packSpool(transactions: readonly ChangeTransaction[]): Promise<readonly Buffer[]> {
    return [await encodeSegment(transactions)];
  }

  async addToSpool(payloads: readonly Buffer[], end: Position | null): Promise<void> {
    const stream = of(this.options.stream);
    for (const payload of payloads)
      await this.client.query(
        'INSERT INTO dbps.spool (service, direction, end_position, payload) VALUES ($1, $2, $3, $4)',
        [...stream, end, payload],
      );
    if (end !== null)
      await this.client.query(
        'UPDATE dbps.spool SET end_position = $3 WHERE service = $1 AND direction = $2 AND end_position IS NULL',
        [...stream, end],
      );
  }

  /** Whoever follows the stream begins again where it stands: after any failure, not only this one. */
  mayRepeat(): boolean {
    return false;
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

const of = ({ service, direction }: StreamIdentity): readonly string[] => [service, direction];
