/**
 * Durable sets of row keys beside the checkpoint. Rows to be fetched again are few: a row each. Changed rows are many and come with
 * every batch: one row a batch and relation, appended, so that remembering them costs next to nothing beside applying them.
 */
import { createHash } from 'node:crypto';
import type mysql from 'mysql2/promise';
import { takeKeys, Taken, withoutKeys, type KeyBatch } from '../changed-keys.js';
import type { Key, KeySet, Ownership, RelationMap, StreamIdentity } from '../engine.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { described } from './mysql-errors.js';

/** Characters of one list of keys: a server may take no more than some megabytes in one statement. */
const LIST_LENGTH = 1 << 19;

/** A key may be longer than an index entry can be. */
const digest = (key: Key): Buffer => createHash('sha256').update(JSON.stringify(key)).digest();

export class MysqlHealKeys implements KeySet {
  constructor(
    readonly pool: MysqlPool,
    readonly owner: Ownership,
  ) {}

  async size(): Promise<number> {
    const [row] = await described(
      this.pool.query('SELECT count(*) AS n FROM dbps.heal_key WHERE service = ?', [this.owner.service]),
    );
    return Number(row?.['n'] ?? 0);
  }

  async take(map: RelationMap, limit: number): Promise<readonly Key[]> {
    const rows = await described(
      this.pool.query(
        `SELECT \`key\` FROM dbps.heal_key WHERE service = ? AND relation = ? ORDER BY \`key\` LIMIT ${Math.trunc(limit)}`,
        [this.owner.service, map.source],
      ),
    );
    return rows.map((row) => JSON.parse(row['key'] ?? '[]') as Key);
  }

  async remove(map: RelationMap, keys: readonly Key[]): Promise<void> {
    await this.pool.ownedTransaction(this.owner, (session) => this.removeWith(session, map, keys));
  }

  async addWith(session: mysql.Connection, map: RelationMap, keys: readonly Key[]): Promise<void> {
    if (keys.length === 0) return;
    await session.query(
      `INSERT INTO dbps.heal_key (service, relation, digest, \`key\`) VALUES ?
       ON DUPLICATE KEY UPDATE digest = heal_key.digest`,
      [keys.map((key) => [this.owner.service, map.source, digest(key), JSON.stringify(key)])],
    );
  }

  async removeWith(session: mysql.Connection, map: RelationMap, keys: readonly Key[]): Promise<void> {
    if (keys.length === 0) return;
    await session.query('DELETE FROM dbps.heal_key WHERE service = ? AND relation = ? AND digest IN (?)', [
      this.owner.service,
      map.source,
      keys.map(digest),
    ]);
  }
}

export class MysqlChangedKeys implements KeySet {
  readonly #taken = new Taken();

  constructor(
    readonly pool: MysqlPool,
    readonly stream: StreamIdentity,
    readonly owner: Ownership,
  ) {}

  /** An upper bound: a key changed in two batches counts twice until it is verified. */
  async size(): Promise<number> {
    const [row] = await this.pool.query(
      'SELECT coalesce(sum(size), 0) AS n FROM dbps.changed_key WHERE service = ? AND direction = ?',
      [this.stream.service, this.stream.direction],
    );
    return Number(row?.['n'] ?? 0);
  }

  /** Oldest first. An empty key stands for the whole relation (it was truncated). */
  async take(map: RelationMap, limit: number): Promise<readonly Key[]> {
    const { keys, through } = await readChangedKeys(this.pool, this.stream, map, limit);
    this.#taken.note(map.source, through);
    return keys;
  }

  async remove(map: RelationMap, keys: readonly Key[]): Promise<void> {
    const through = this.#taken.through(map.source);
    await this.pool.ownedTransaction(this.owner, async (session) => {
      const rows = await queryable(session).query({
        sql: `SELECT generation, \`keys\` FROM dbps.changed_key
               WHERE service = ? AND direction = ? AND relation = ? AND generation <= ${BigInt(through)}`,
        values: [this.stream.service, this.stream.direction, map.source],
      });
      for (const { generation, left } of withoutKeys(rows.map(batchOf), keys)) {
        const at = `WHERE generation = ${BigInt(generation)}`;
        if (left === null) await session.query(`DELETE FROM dbps.changed_key ${at}`);
        else
          await session.query(`UPDATE dbps.changed_key SET \`keys\` = ?, size = ? ${at}`, [
            JSON.stringify(left),
            left.length,
          ]);
      }
    });
  }

  async addWith(session: mysql.Connection, map: RelationMap, keys: readonly Key[]): Promise<void> {
    const add = (texts: readonly string[]) =>
      session.query(
        'INSERT INTO dbps.changed_key (service, direction, relation, size, `keys`) VALUES (?, ?, ?, ?, ?)',
        [this.stream.service, this.stream.direction, map.source, texts.length, `[${texts.join()}]`],
      );
    let texts: string[] = [];
    let length = 0;
    for (const key of keys) {
      const text = JSON.stringify(key);
      if (length + text.length > LIST_LENGTH && texts.length > 0) {
        await add(texts);
        texts = [];
        length = 0;
      }
      texts.push(text);
      length += text.length;
    }
    if (texts.length > 0) await add(texts);
  }
}

const batchOf = (row: Readonly<Record<string, string | null>>): KeyBatch => ({
  generation: row['generation'] ?? '0',
  keys: JSON.parse(row['keys'] ?? '[]') as Key[],
});

export function readChangedKeys(
  pool: MysqlPool,
  stream: StreamIdentity,
  map: RelationMap,
  limit: number,
): ReturnType<typeof takeKeys> {
  return takeKeys(limit, async (after) => {
    const [row] = await pool.query(
      `SELECT generation, \`keys\` FROM dbps.changed_key
        WHERE service = ? AND direction = ? AND relation = ? AND generation > ${BigInt(after)} ORDER BY generation LIMIT 1`,
      [stream.service, stream.direction, map.source],
    );
    return row === undefined ? null : batchOf(row);
  });
}
