/**
 * Writes one window of net changes (or one change that cannot be merged) inside a transaction that the caller has opened. Rows travel
 * as one array a column; statements are prepared once for each shape of row.
 */
import pg from 'pg';
import { RefusedError } from '../../model/errors.js';
import { UNCHANGED, type Change, type Key, type RelationMap, type Value } from '../engine.js';
import type { Certainty, ChangeWriter } from '../change-batch.js';
import { MergeWindow, type NetRelation } from '../merge-window.js';
import { arrayLiteral } from './postgres-array-literal.js';
import {
  clearIdentitySql,
  deleteSql,
  missingSql,
  presentColumns,
  rekeySql,
  replacesRows,
  updateSql,
  upsertSql,
  type TargetTable,
} from './postgres-sink-table.js';
import { quoteRelation } from './postgres-sql.js';

const UNIQUE_VIOLATION = '23505';
const EXCLUSION_VIOLATION = '23P01';

export class WindowWriter implements ChangeWriter {
  statements = 0;
  wasUnmerged = false;
  readonly #prepared = new Map<string, { name: string; text: string }>();

  constructor(
    readonly client: pg.Client,
    readonly tables: ReadonlyMap<RelationMap, TargetTable>,
  ) {}

  /**
   * Net changes; on a unique or exclusion violation the window is taken back and its changes are applied one by one, in source order: a
   * swap of unique values has no merged form (H11).
   */
  async writeWindow(window: MergeWindow, certainty: Certainty): Promise<void> {
    if (window.changes.length === 0) return;
    await this.client.query('SAVEPOINT dbps_window');
    try {
      for (const relation of window.relations) await this.#writeNet(relation, certainty);
    } catch (error) {
      if (!isCollision(error) || window.changes.length === 1) throw error;
      await this.client.query('ROLLBACK TO SAVEPOINT dbps_window');
      this.wasUnmerged = true;
      for (const change of window.changes) {
        const single = new MergeWindow();
        single.add(change);
        for (const relation of single.relations) await this.#writeNet(relation, certainty);
      }
    }
    await this.client.query('RELEASE SAVEPOINT dbps_window');
  }

  /** A key change or a TRUNCATE: what ends a window. */
  async writeSingle(change: Change, certainty: Certainty): Promise<void> {
    if (change.kind === 'truncate') return this.#truncate(change);
    if (change.kind !== 'update' || change.oldKey === null)
      throw new RangeError('this change belongs in a window');
    const table = this.#table(change.map);
    const { oldKey, values } = change;
    const newKey = table.key.map((place) => values[place] as string);
    if (certainty.isExact(change.map, oldKey) && certainty.isExact(change.map, newKey)) {
      const present = presentColumns(values);
      const found = await this.#run(`rekey ${present.join()}`, table, () => rekeySql(table, present), [
        ...this.#arrays(table, present, [values]),
        ...this.#keyArrays(table, [oldKey]),
      ]);
      if (found !== 1) throw lost(change.map, oldKey);
      return;
    }
    // The old row may be a newer one by now, and the new row may have been copied already: both go, and come back by replay.
    await this.#deleteKeys(table, [oldKey, newKey]);
    if (values.includes(UNCHANGED)) await certainty.heal(change.map, [newKey]);
    else await this.#upsert(table, [values]);
  }

  async #writeNet(relation: NetRelation, certainty: Certainty): Promise<void> {
    const table = this.#table(relation.map);
    const deletes: Key[] = [];
    /** Rows of one statement have the same columns; nearly all have all of them. */
    const upserts = new ShapeGroups();
    const updates = new ShapeGroups();
    for (const row of relation.rows.values()) {
      if (row.kind === 'delete') deletes.push(row.key);
      // Whole rows of before convergence may have to be made.
      else if (row.kind === 'update' && (certainty.isConverged || row.values.includes(UNCHANGED)))
        updates.add(row.values);
      else upserts.add(row.values);
    }
    // Deletes first: they free unique values that the rows after them take.
    if (deletes.length > 0) await this.#deleteKeys(table, deletes);
    for (const rows of updates) await this.#update(table, rows, certainty);
    for (const rows of upserts) await this.#upsert(table, rows);
  }

  async #upsert(table: TargetTable, rows: readonly (readonly Value[])[]): Promise<void> {
    const present = presentColumns(rows[0] as readonly Value[]);
    const arrays = this.#arrays(table, present, rows);
    const clear = replacesRows(table) ? clearIdentitySql(table, present) : null;
    if (clear !== null) await this.#run(`clear ${present.join()}`, table, () => clear, arrays);
    await this.#run(`upsert ${present.join()}`, table, () => upsertSql(table, present), arrays);
  }

  async #update(
    table: TargetTable,
    rows: readonly (readonly Value[])[],
    certainty: Certainty,
  ): Promise<void> {
    const present = presentColumns(rows[0] as readonly Value[]);
    const keys = rows.map((row) => table.key.map((place) => row[place] as string));
    const arrays = this.#arrays(table, present, rows);
    const shape = present.join();
    let found = 0;
    if (replacesRows(table))
      found = await this.#run(`rekey ${shape}`, table, () => rekeySql(table, present), [
        ...arrays,
        ...this.#keyArrays(table, keys),
      ]);
    // With nothing but the key in the log there is nothing to set.
    else if (present.length > table.key.length)
      found = await this.#run(`update ${shape}`, table, () => updateSql(table, present), arrays);
    if (found === rows.length) return;
    const missing = await this.#missing(table, keys);
    if (missing.length === 0) return;
    const loss = missing.find((key) => certainty.isExact(table.map, key));
    if (loss !== undefined) throw lost(table.map, loss);
    await certainty.heal(table.map, missing);
  }

  async #deleteKeys(table: TargetTable, keys: readonly Key[]): Promise<void> {
    await this.#run('delete', table, () => deleteSql(table), this.#keyArrays(table, keys));
  }

  async #missing(table: TargetTable, keys: readonly Key[]): Promise<readonly Key[]> {
    this.statements++;
    const { rows } = await this.client.query<{ n: string }>(missingSql(table), this.#keyArrays(table, keys));
    return rows.map((row) => keys[Number(row.n) - 1] as Key);
  }

  async #truncate(change: Extract<Change, { kind: 'truncate' }>): Promise<void> {
    const names = change.leaves.map((leaf) => {
      const map = change.maps.find((candidate) => candidate.source === leaf);
      if (map !== undefined) return this.#table(map).name;
      for (const candidate of change.maps) {
        const table = this.#table(candidate);
        const name = table.leaves.get(leaf);
        if (name !== undefined) return `ONLY ${name}`;
        // A child that travels with its parent by inheritance has no place of its own here.
        if (candidate.leaves.includes(leaf) && table.leaves.size === 0)
          return `ONLY ${quoteRelation(candidate.target)}`;
      }
      throw new RefusedError({
        code: 'DBPS_E354',
        message: `${leaf} was truncated, and the other side has no partition of that name`,
        hint: 'dbps plan diff',
      });
    });
    this.statements++;
    await this.client.query('SAVEPOINT dbps_truncate');
    try {
      await this.client.query(`TRUNCATE ${names.join(', ')}`);
    } catch (error) {
      // Referenced by a foreign key of a relation that stays: rows can be deleted where TRUNCATE is refused.
      if (!(error instanceof pg.DatabaseError && error.code === '0A000')) throw error;
      await this.client.query('ROLLBACK TO SAVEPOINT dbps_truncate');
      for (const name of names) await this.client.query(`DELETE FROM ${name}`);
    }
    await this.client.query('RELEASE SAVEPOINT dbps_truncate');
  }

  #table(map: RelationMap): TargetTable {
    const table = this.tables.get(map);
    if (table === undefined) throw new RangeError(`${map.source} is not part of this sink`);
    return table;
  }

  #arrays(table: TargetTable, present: readonly number[], rows: readonly (readonly Value[])[]): string[] {
    return present.map((place) =>
      arrayLiteral(
        rows.map((row) => row[place] as string | null),
        table.columns[place]?.isPlain === true,
      ),
    );
  }

  #keyArrays(table: TargetTable, keys: readonly Key[]): string[] {
    return table.key.map((place, i) =>
      arrayLiteral(
        keys.map((key) => key[i] as string),
        table.columns[place]?.isPlain === true,
      ),
    );
  }

  /** @returns rows written. Prepared under a name of its own for each table and shape. */
  async #run(shape: string, table: TargetTable, sql: () => string, values: string[]): Promise<number> {
    const id = `${shape} ${table.name}`;
    let prepared = this.#prepared.get(id);
    if (prepared === undefined) {
      prepared = { name: `dbps_${this.#prepared.size}`, text: sql() };
      this.#prepared.set(id, prepared);
    }
    this.statements++;
    const { rowCount } = await this.client.query({ ...prepared, values });
    return rowCount ?? 0;
  }
}

/** Rows by which of their columns the log has. */
class ShapeGroups implements Iterable<readonly (readonly Value[])[]> {
  readonly #whole: (readonly Value[])[] = [];
  readonly #partial = new Map<string, (readonly Value[])[]>();

  add(values: readonly Value[]): void {
    if (!values.includes(UNCHANGED)) {
      this.#whole.push(values);
      return;
    }
    const shape = presentColumns(values).join();
    const group = this.#partial.get(shape);
    if (group === undefined) this.#partial.set(shape, [values]);
    else group.push(values);
  }

  *[Symbol.iterator](): Iterator<readonly (readonly Value[])[]> {
    if (this.#whole.length > 0) yield this.#whole;
    yield* this.#partial.values();
  }
}

export function isCollision(error: unknown): boolean {
  return (
    error instanceof pg.DatabaseError &&
    (error.code === UNIQUE_VIOLATION || error.code === EXCLUSION_VIOLATION)
  );
}

function lost(map: RelationMap, key: Key): RefusedError {
  return new RefusedError({
    code: 'DBPS_E357',
    message: `${map.target} has no row ${map.key.join(', ')} = ${key.join(', ')}, which was updated on the other side`,
    hint: 'dbps verify --mode full; the row was removed by somebody else, or lost',
  });
}
