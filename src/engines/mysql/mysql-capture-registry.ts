/**
 * What stands for a replication slot, which these servers do not have: a row beside the data that says where capture began, whose it is,
 * and which shapes its tables had. The log itself is kept by the server as long as its own settings say.
 */
import type { Ownership, Position, StreamIdentity } from '../engine.js';
import { lockMysqlEpoch, type MysqlPool } from './mysql-connection.js';
import type { Shapes } from './mysql-log-relations.js';

export interface Registration {
  readonly nonce: string;
  readonly method: 'log' | 'trigger';
  /** Where capture began. */
  readonly start: Position;
  /** What was durable on the other side when it was last noted; never ahead of it. */
  readonly confirmed: Position;
  /** As they were when capture was prepared, and when streams began since; oldest first. */
  readonly shapes: readonly Shapes[];
  /** Of capture by triggers: each with when the server made it, so that one that was made anew is told. */
  readonly triggers: readonly CaptureTrigger[];
}

export interface CaptureTrigger {
  readonly schema: string;
  readonly name: string;
  readonly created: string;
}

export class CaptureRegistry {
  constructor(readonly pool: MysqlPool) {}

  async read({ service, direction }: StreamIdentity): Promise<Registration | null> {
    const installed = await this.pool.query(
      "SELECT 1 FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'capture'",
    );
    if (installed.length === 0) return null;
    const [row] = await this.pool.query(
      'SELECT nonce, method, start, confirmed, shapes, triggers FROM dbps.capture WHERE service = ? AND direction = ?',
      [service, direction],
    );
    if (row === undefined) return null;
    return {
      nonce: row['nonce'] ?? '',
      method: row['method'] === 'trigger' ? 'trigger' : 'log',
      start: row['start'] ?? '',
      confirmed: row['confirmed'] ?? '',
      shapes: JSON.parse(row['shapes'] ?? '[]') as Shapes[],
      triggers: JSON.parse(row['triggers'] ?? '[]') as CaptureTrigger[],
    };
  }

  async add({ service, direction }: StreamIdentity, row: Registration, owner: Ownership): Promise<void> {
    await this.pool.ownedTransaction(owner, async (connection) => {
      await connection.query(
        'INSERT INTO dbps.capture (service, direction, nonce, method, start, confirmed, shapes, triggers) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        [
          service,
          direction,
          row.nonce,
          row.method,
          row.start,
          row.confirmed,
          JSON.stringify(row.shapes),
          JSON.stringify(row.triggers),
        ],
      );
    });
  }

  async addShapes(
    { service, direction }: StreamIdentity,
    shapes: readonly Shapes[],
    owner: Ownership,
  ): Promise<void> {
    await this.pool.ownedTransaction(owner, async (connection) => {
      await connection.query('UPDATE dbps.capture SET shapes = ? WHERE service = ? AND direction = ?', [
        JSON.stringify(shapes),
        service,
        direction,
      ]);
    });
  }

  async confirm({ service, direction }: StreamIdentity, position: Position, owner: Ownership): Promise<void> {
    await this.pool.transaction(async (connection) => {
      await lockMysqlEpoch(connection, owner);
      await connection.query('UPDATE dbps.capture SET confirmed = ? WHERE service = ? AND direction = ?', [
        position,
        service,
        direction,
      ]);
    });
  }

  async remove({ service, direction }: StreamIdentity, owner: Ownership): Promise<void> {
    await this.pool.ownedTransaction(owner, async (connection) => {
      await connection.query('DELETE FROM dbps.capture WHERE service = ? AND direction = ?', [
        service,
        direction,
      ]);
    });
  }
}
