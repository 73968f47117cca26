/**
 * Durable sets of row keys beside the checkpoint. Rows to be fetched again are few: a row each. Changed rows are many and come with
 * every batch: one row a batch and relation, appended, so that remembering them costs next to nothing beside applying them.
 */
import type pg from 'pg';
import { takeKeys, Taken, withoutKeys, type KeyBatch } from '../changed-keys.js';
import type { Key, KeySet, Ownership, RelationMap, StreamIdentity } from '../engine.js';
import type { SessionPool } from './postgres-connection.js';

type Client = Pick<pg.ClientBase, 'query'>;

export class HealKeys implements KeySet {
  constructor(
    readonly pool: SessionPool,
    readonly owner: Ownership,
  ) {}

  async size(): Promise<number> {
    const [row] = await this.pool.query<{ n: string }>(
      'SELECT count(*) AS n FROM dbps.heal_key WHERE service = $1',
      [this.owner.service],
    );
    return Number(row?.n ?? 0);
  }

  async take(map: RelationMap, limit: number): Promise<readonly Key[]> {
    const rows = await this.pool.query<{ key: string }>(
      'SELECT key FROM dbps.heal_key WHERE service = $1 AND relation = $2 ORDER BY key LIMIT $3',
      [this.owner.service, map.source, limit],
    );
    return rows.map((row) => JSON.parse(row.key) as Key);
  }

  async add(map: RelationMap, keys: readonly Key[]): Promise<void> {
    await this.pool.ownedTransaction(this.owner, (client) => this.addWith(client, map, keys));
  }

  async remove(map: RelationMap, keys: readonly Key[]): Promise<void> {
    await this.pool.ownedTransaction(this.owner, (client) => this.removeWith(client, map, keys));
  }

  async addWith(client: Client, map: RelationMap, keys: readonly Key[]): Promise<void> {
    await client.query(
      `INSERT INTO dbps.heal_key (service, relation, key)
       SELECT $1, $2, key FROM unnest($3::jsonb[]) AS key ON CONFLICT DO NOTHING`,
      [this.owner.service, map.source, keys.map((key) => JSON.stringify(key))],
    );
  }

  async removeWith(client: Client, map: RelationMap, keys: readonly Key[]): Promise<void> {
    await client.query(
      'DELETE FROM dbps.heal_key WHERE service = $1 AND relation = $2 AND key = ANY ($3::jsonb[])',
      [this.owner.service, map.source, keys.map((key) => JSON.stringify(key))],
    );
  }
}

export class ChangedKeys implements KeySet {
  readonly #taken = new Taken();

  constructor(
    readonly pool: SessionPool,
    readonly stream: StreamIdentity,
    readonly owner: Ownership,
  ) {}

  /** An upper bound: a key changed in two batches counts twice until it is verified. */
  async size(): Promise<number> {
    const [row] = await this.pool.query<{ n: string }>(
      'SELECT coalesce(sum(size), 0) AS n FROM dbps.changed_key WHERE service = $1 AND direction = $2',
      [this.stream.service, this.stream.direction],
    );
    return Number(row?.n ?? 0);
  }

  /** Oldest first. An empty key stands for the whole relation (it was truncated). */
  async take(map: RelationMap, limit: number): Promise<readonly Key[]> {
    const { keys, through } = await readChangedKeys(this.pool, this.stream, map, limit);
    this.#taken.note(map.source, through);
    return keys;
  }

  async remove(map: RelationMap, keys: readonly Key[]): Promise<void> {
    const through = this.#taken.through(map.source);
    await this.pool.ownedTransaction(this.owner, async (client) => {
      const where = 'service = $1 AND direction = $2 AND relation = $3';
      const of = [this.stream.service, this.stream.direction, map.source];
      const { rows } = await client.query<BatchRow>(
        `SELECT generation, keys FROM dbps.changed_key WHERE ${where} AND generation <= $4`,
        [...of, through],
      );
      const changed = withoutKeys(rows.map(batchOf), keys);
      for (const { generation, left } of changed)
        if (left !== null)
          await client.query(
            `UPDATE dbps.changed_key SET keys = $5, size = $6 WHERE ${where} AND generation = $4`,
            [...of, generation, JSON.stringify(left), left.length],
          );
      await client.query(`DELETE FROM dbps.changed_key WHERE ${where} AND generation = ANY ($4::bigint[])`, [
        ...of,
        changed.filter(({ left }) => left === null).map(({ generation }) => generation),
      ]);
    });
  }

  async addWith(client: Client, map: RelationMap, keys: readonly Key[]): Promise<void> {
    await client.query(
      'INSERT INTO dbps.changed_key (service, direction, relation, size, keys) VALUES ($1, $2, $3, $4, $5)',
      [this.stream.service, this.stream.direction, map.source, keys.length, JSON.stringify(keys)],
    );
  }
}

interface BatchRow {
  readonly generation: string;
  readonly keys: string;
}

const batchOf = ({ generation, keys }: BatchRow): KeyBatch => ({
  generation,
  keys: JSON.parse(keys) as Key[],
});

export function readChangedKeys(
  pool: SessionPool,
  stream: StreamIdentity,
  map: RelationMap,
  limit: number,
): ReturnType<typeof takeKeys> {
  return takeKeys(limit, async (after) => {
    const [row] = await pool.query<{ generation: string; keys: string }>(
      `SELECT generation, keys FROM dbps.changed_key
        WHERE service = $1 AND direction = $2 AND relation = $3 AND generation > $4 ORDER BY generation LIMIT 1`,
      [stream.service, stream.direction, map.source, after],
    );
    return row === undefined ? null : batchOf(row);
  });
}
