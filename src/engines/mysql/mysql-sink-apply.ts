/** The applier's session and its statements (batch-applier). */
import type mysql from 'mysql2/promise';
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { ApplySession, CountingWriter, Places } from '../batch-applier.js';
import type { ChangeTransaction, Key, Ownership, Position, RelationMap, SinkOptions } from '../engine.js';
import { openBulkSession, WRITING } from './mysql-bulk-sessions.js';
import { lockMysqlEpoch } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';
import type { MysqlChangedKeys, MysqlHealKeys } from './mysql-key-set.js';
import { readTargetTable, type TargetTable } from './mysql-sink-table.js';
import { MysqlWindowWriter } from './mysql-sink-window.js';
import type { MysqlSpool } from './mysql-spool.js';

const DEADLOCK = 1213;
const LOCK_WAIT_TIMEOUT = 1205;

/** A session for applying: long work is not cut short, and triggers and keys are as the bulk settings have them. */
export async function openApplyConnection(
  target: ConnectionTarget,
  owner: Ownership,
): Promise<mysql.Connection> {
  const { connection } = await openBulkSession(target, {
    applicationName: `dbps ${owner.service} apply`,
    settings: WRITING,
  });
  return connection;
}

export class MysqlApplySession implements ApplySession {
  constructor(
    readonly connection: mysql.Connection,
    readonly options: SinkOptions,
    readonly heal: MysqlHealKeys,
    readonly changed: MysqlChangedKeys,
    readonly spool: MysqlSpool,
  ) {}

  async begin(): Promise<void> {
    await this.connection.query('START TRANSACTION');
  }

  async commit(): Promise<void> {
    await this.connection.query('COMMIT');
  }

  async rollback(): Promise<void> {
    await this.connection.query('ROLLBACK');
  }

  lockEpoch(): Promise<void> {
    return lockMysqlEpoch(this.connection, this.options.owner);
  }

  async moveCheckpoint(from: Places, to: Places): Promise<boolean> {
    const { stream, owner } = this.options;
    const [moved] = await this.connection.query<mysql.ResultSetHeader>(
      `UPDATE dbps.checkpoint SET applied = ?, received = ?, mark = mark + 1, updated_at = UTC_TIMESTAMP(6)
        WHERE service = ? AND direction = ? AND epoch = ? AND applied = ? AND received = ?`,
      [to.applied, to.received, stream.service, stream.direction, owner.epoch, from.applied, from.received],
    );
    return moved.affectedRows === 1;
  }

  async openWriter(): Promise<CountingWriter> {
    const tables = new Map<RelationMap, TargetTable>();
    for (const map of this.options.maps) tables.set(map, await readTargetTable(this.connection, map));
    return new MysqlWindowWriter(this.connection, tables);
  }

  addChangedKeys(map: RelationMap, keys: readonly Key[]): Promise<void> {
    return this.changed.addWith(this.connection, map, keys);
  }

  addHealKeys(map: RelationMap, keys: readonly Key[]): Promise<void> {
    return this.heal.addWith(this.connection, map, keys);
  }

  async dropSpooled(through: string): Promise<void> {
    await this.connection.query(
      `DELETE FROM dbps.spool WHERE service = ? AND direction = ? AND seq <= ${BigInt(through)}`,
      [this.options.stream.service, this.options.stream.direction],
    );
  }

  packSpool(transactions: readonly ChangeTransaction[]): Promise<readonly Buffer[]> {
    return this.spool.pack(this.connection, transactions);
  }

  addToSpool(payloads: readonly Buffer[], end: Position | null): Promise<void> {
    return this.spool.add(this.connection, payloads, end);
  }

  mayRepeat(error: unknown): boolean {
    const number = errorNumber(error);
    return number === DEADLOCK || number === LOCK_WAIT_TIMEOUT;
  }

  async close(): Promise<void> {
    // In the middle of a statement there is nothing to say goodbye to.
    await this.connection.end().catch(() => this.connection.destroy());
  }
}
