/**
 * Writes one window of net changes (or one change that cannot be merged) inside a transaction that the caller has opened.
 *
 * A row that may or may not be there has no single form here. REPLACE and INSERT … ON DUPLICATE KEY UPDATE act on whichever unique index
 * they meet first: they would take away, or overwrite, another row that happens to hold a unique value of the new one. So the second is used
 * only where that cannot be: before convergence, when the key is the table's only unique index (the others are made after it, and anybody may
 * add one later while this stands, so that what was read once says nothing then), or where the row is known to be there and locked, so
 * that another row that is met first cannot be given its key. Everywhere else rows are deleted by key and inserted. A unique value that is taken is
 * an error in each case, upon which the window is applied in source order.
 *
 * TRUNCATE is DDL and would commit: rows are deleted instead.
 */
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import type { Certainty, ChangeWriter } from '../change-batch.js';
import { UNCHANGED, type Change, type Key, type RelationMap, type Value } from '../engine.js';
import { MergeWindow, type NetRelation } from '../merge-window.js';
import { errorNumber } from './mysql-errors.js';
import { keysCondition } from './mysql-key-range.js';
import {
  presentColumns,
  rowLiteral,
  valueLiteral,
  type TargetColumn,
  type TargetTable,
} from './mysql-sink-table.js';
import { quoteIdentifier } from './mysql-sql.js';

type Row = readonly Value[];

/** Keys looked for in one statement. */
const KEYS_AT_ONCE = 1_000;
const WIDE_KEYS_AT_ONCE = 300;
/** A statement of rows; more in one gains nothing, and the server takes no more than max_allowed_packet. */
const STATEMENT_LENGTH = 1 << 18;
/** A statement of one row beyond this sends its values as parameters: as a literal a binary value is twice as long as the source's server took it. */
const LITERAL_LENGTH = 1 << 20;

export class MysqlWindowWriter implements ChangeWriter {
  statements = 0;
  wasUnmerged = false;

  constructor(
    readonly session: mysql.Connection,
    readonly tables: ReadonlyMap<RelationMap, TargetTable>,
  ) {}

  /**
   * Net changes; on a unique violation the window is taken back and its changes are applied one by one, in source order: a swap of unique
   * values has no merged form (H11).
   */
  async writeWindow(window: MergeWindow, certainty: Certainty): Promise<void> {
    if (window.changes.length === 0) return;
    await this.session.query('SAVEPOINT dbps_window');
    try {
      for (const relation of window.relations) await this.#writeNet(relation, certainty);
    } catch (error) {
      if (!isCollision(error) || window.changes.length === 1) throw error;
      await this.session.query('ROLLBACK TO SAVEPOINT dbps_window');
      this.wasUnmerged = true;
      for (const change of window.changes) {
        const single = new MergeWindow();
        single.add(change);
        for (const relation of single.relations) await this.#writeNet(relation, certainty);
      }
    }
    await this.session.query('RELEASE SAVEPOINT dbps_window');
  }

  /** A key change or a TRUNCATE: what ends a window. */
  async writeSingle(change: Change, certainty: Certainty): Promise<void> {
    if (change.kind === 'truncate') return this.#truncate(change);
    if (change.kind !== 'update' || change.oldKey === null)
      throw new RangeError('this change belongs in a window');
    const table = this.table(change.map);
    const { oldKey, values } = change;
    const newKey = keyOf(table, values);
    if (certainty.isExact(change.map, oldKey) && certainty.isExact(change.map, newKey)) {
      if ((await this.#updateRow(table, values, oldKey, presentColumns(values))) !== 1)
        throw lost(change.map, oldKey);
      return;
    }
    // The old row may be a newer one by now, and the new row may have been copied already: both go, and come back by replay.
    await this.deleteKeys(table, [oldKey, newKey]);
    if (values.includes(UNCHANGED)) await certainty.heal(change.map, [newKey]);
    else await this.insertRows(table, [values]);
  }

  async #writeNet(relation: NetRelation, certainty: Certainty): Promise<void> {
    const table = this.table(relation.map);
    const deletes: Key[] = [];
    const upserts: Row[] = [];
    const updates: Row[] = [];
    for (const row of relation.rows.values()) {
      if (row.kind === 'delete') deletes.push(row.key);
      // Whole rows of before convergence may have to be made.
      else if (row.kind === 'update' && (certainty.isConverged || row.values.includes(UNCHANGED)))
        updates.push(row.values);
      else upserts.push(row.values);
    }
    // Deletes first: they free unique values that the rows after them take.
    await this.deleteKeys(table, deletes);
    await this.#update(table, updates, certainty);
    await this.#upsert(table, upserts, table.isKeyAlone && !certainty.isConverged);
  }

  async #upsert(table: TargetTable, rows: readonly Row[], mayOverwrite: boolean): Promise<void> {
    const whole = rows.filter((row) => !row.includes(UNCHANGED));
    if (!mayOverwrite)
      await this.deleteKeys(
        table,
        whole.map((row) => keyOf(table, row)),
      );
    await this.insertRows(table, whole, mayOverwrite);
    // A column that the log does not have (added since) keeps what it holds, or takes its default.
    for (const row of rows) {
      if (!row.includes(UNCHANGED)) continue;
      const present = presentColumns(row);
      if ((await this.#updateRow(table, row, keyOf(table, row), present)) === 0)
        await this.#run(
          `INSERT INTO ${table.name} (${names(table, present)}) VALUES ${rowLiteral(table, present, row)}`,
        );
    }
  }

  async #update(table: TargetTable, rows: readonly Row[], certainty: Certainty): Promise<void> {
    if (rows.length === 0) return;
    const whole = rows.filter((row) => !row.includes(UNCHANGED));
    const missing = await this.#missing(
      table,
      whole.map((row) => keyOf(table, row)),
    );
    if (missing.length === 0) await this.insertRows(table, whole, true);
    for (const row of rows) {
      if (missing.length === 0 && !row.includes(UNCHANGED)) continue;
      const key = keyOf(table, row);
      if ((await this.#updateRow(table, row, key, presentColumns(row))) === 1) continue;
      if (certainty.isExact(table.map, key)) throw lost(table.map, key);
      await certainty.heal(table.map, [key]);
    }
  }

  /** @returns rows found. Columns that are not set keep their value, those that the server would set by itself too. */
  async #updateRow(table: TargetTable, row: Row, key: Key, present: readonly number[]): Promise<number> {
    const where = keysCondition([key], table.keyColumns);
    const statement = (valueOf: (place: number) => string) => {
      const set = table.columns.map(
        ({ name }, place) => `${name} = ${present.includes(place) ? valueOf(place) : name}`,
      );
      return `UPDATE ${table.name} SET ${set.join(', ')} WHERE ${where}`;
    };
    return isLong(row)
      ? this.#runWith(
          statement(() => '?'),
          parameters(table, present, row),
        )
      : this.#run(statement((place) => valueLiteral(table, place, row)));
  }

  /** @param mayOverwrite a row that is in the way is the same row: its columns are set. */
  async insertRows(table: TargetTable, rows: readonly Row[], mayOverwrite = false): Promise<number> {
    const places = table.columns.map((_, place) => place);
    const head = `INSERT INTO ${table.name} (${names(table, places)}) VALUES `;
    const tail = mayOverwrite
      ? ` ON DUPLICATE KEY UPDATE ${table.columns.map(({ name }) => `${name} = VALUES(${name})`).join(', ')}`
      : '';
    let written = 0;
    let parts: string[] = [];
    let length = 0;
    const flush = async () => {
      if (parts.length > 0) written += await this.#run(`${head}${parts.join(', ')}${tail}`);
      parts = [];
      length = 0;
    };
    for (const row of rows) {
      if (isLong(row)) {
        await flush();
        written += await this.#runWith(
          `${head}(${places.map(() => '?').join(', ')})${tail}`,
          parameters(table, places, row),
        );
        continue;
      }
      const text = rowLiteral(table, places, row);
      if (length + text.length > STATEMENT_LENGTH) await flush();
      parts.push(text);
      length += text.length;
    }
    await flush();
    return written;
  }

  async deleteKeys(table: TargetTable, keys: readonly Key[]): Promise<void> {
    for (const some of slices(keys, table.key.length))
      await this.#run(`DELETE FROM ${table.name} WHERE ${keysCondition(some, table.keyColumns)}`);
  }

  /** @returns keys, if any, when some have no row; locks the rows that there are. */
  async #missing(table: TargetTable, keys: readonly Key[]): Promise<readonly Key[]> {
    const missing: Key[] = [];
    const first = quoteIdentifier(table.keyColumns[0]?.name ?? '');
    for (const some of slices(keys, table.key.length)) {
      this.statements++;
      const [rows] = await this.session.query<mysql.RowDataPacket[]>(
        `SELECT ${first} FROM ${table.name} WHERE ${keysCondition(some, table.keyColumns)} FOR UPDATE`,
      );
      if (rows.length !== some.length) missing.push(...some);
    }
    return missing;
  }

  async #truncate(change: Extract<Change, { kind: 'truncate' }>): Promise<void> {
    for (const leaf of change.leaves) {
      const map = change.maps.find((candidate) => candidate.source === leaf);
      if (map === undefined)
        throw new RefusedError({
          code: 'DBPS_E354',
          message: `${leaf} was truncated, and the other side has no partition of that name`,
          hint: 'dbps plan diff',
        });
      await this.#run(`DELETE FROM ${this.table(map).name}`);
    }
  }

  table(map: RelationMap): TargetTable {
    const table = this.tables.get(map);
    if (table === undefined) throw new RangeError(`${map.source} is not part of this sink`);
    return table;
  }

  async #runWith(sql: string, values: (string | Buffer | null)[]): Promise<number> {
    this.statements++;
    const [result] = await this.session.execute<mysql.ResultSetHeader>(sql, values);
    this.session.unprepare(sql);
    return result.affectedRows;
  }

  /** @returns rows found, changed or not. */
  async #run(sql: string): Promise<number> {
    this.statements++;
    const [result] = await this.session.query<mysql.ResultSetHeader>(sql);
    return result.affectedRows;
  }
}

function* slices(keys: readonly Key[], width: number): Iterable<readonly Key[]> {
  const size = width === 1 ? KEYS_AT_ONCE : WIDE_KEYS_AT_ONCE;
  for (let at = 0; at < keys.length; at += size) yield keys.slice(at, at + size);
}

function keyOf(table: TargetTable, row: Row): Key {
  return table.key.map((place) => row[place] as string);
}

function isLong(row: Row): boolean {
  let length = 0;
  for (const value of row) if (typeof value === 'string') length += value.length;
  return length > LITERAL_LENGTH;
}

function parameters(table: TargetTable, places: readonly number[], row: Row): (string | Buffer | null)[] {
  return places.map((place) => {
    const value = row[place] as string | null;
    return value === null ? null : (table.columns[place]?.toBytes?.(value) ?? value);
  });
}

function names(table: TargetTable, places: readonly number[]): string {
  return places.map((place) => (table.columns[place] as TargetColumn).name).join(', ');
}

const COLLISIONS = new Set([1062, 1586, 1761, 1762, 1859]);

export function isCollision(error: unknown): boolean {
  return COLLISIONS.has(errorNumber(error) ?? 0);
}

function lost(map: RelationMap, key: Key): RefusedError {
  return new RefusedError({
    code: 'DBPS_E357',
    message: `${map.target} has no row ${map.key.join(', ')} = ${key.join(', ')}, which was updated on the other side`,
    hint: 'dbps verify --mode full; the row was removed by somebody else, or lost',
  });
}
