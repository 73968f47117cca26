/**
 * Which relation of the move a row of the log belongs to, and by which names and types its columns are read. The log has only codes of
 * types unless binlog_row_metadata is FULL, so the shape of a table is taken from the catalogue: as it was when capture was prepared (or
 * a stream last began), and as it is now. A table in the log must fit exactly one meaning; what fits none, or two that differ, is refused,
 * so that a schema change stops the stream instead of filling wrong columns.
 */
import { RefusedError } from '../../model/errors.js';
import { isLongerLabelList } from '../../model/label-list.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { RelationMap } from '../engine.js';
import { changedShape } from '../stream-refusals.js';
import { isReadableCharset, type Charsets } from './mysql-charset.js';
import type { MysqlPool } from './mysql-connection.js';
import { normaliseType } from './mysql-flavor.js';
import type { TableMap } from './mysql-log-event.js';
import { isTypeInLog, valueReader, valueSkipper, whyNotInLog, type ValueReader } from './mysql-row-image.js';
import { mysqlType, typeLabels } from './mysql-values.js';

/** A column as the catalogue has it, in table order. */
export interface LogColumn {
  readonly name: string;
  readonly type: string;
  readonly charset: string | null;
  readonly isGenerated: boolean;
}

/** Columns of each relation, by its source name. */
export type Shapes = Readonly<Record<RelationId, readonly LogColumn[]>>;

export interface LogRelation {
  readonly map: RelationMap;
  /** One reader a column of the log's row. */
  readonly readers: readonly ValueReader[];
  /** For each column of the log's row its place in the map's order; -1: not part of the move. */
  readonly places: readonly number[];
  /** Places of the key's columns in the map's order. */
  readonly key: readonly number[];
  /** For each column of the map whether the log has it; those added since keep what the other side has. */
  readonly isLogged: readonly boolean[];
}

export async function readShapes(
  pool: Pick<MysqlPool, 'query'>,
  maps: readonly RelationMap[],
): Promise<Shapes> {
  const schemas = [...new Set(maps.map((map) => parseRelationId(map.source).schema))];
  const wanted = new Map(maps.map((map) => [map.source, map]));
  const rows = await pool.query(
    `SELECT table_schema, table_name, column_name, column_type, character_set_name, extra
       FROM information_schema.columns WHERE table_schema IN (?) ORDER BY table_schema, table_name, ordinal_position`,
    [schemas],
  );
  const shapes: Record<RelationId, LogColumn[]> = {};
  for (const row of rows) {
    const id = relationId(row['table_schema'] ?? '', row['table_name'] ?? '');
    const map = wanted.get(id);
    if (map === undefined) continue;
    const name = row['column_name'] ?? '';
    const type = normaliseType(row['column_type'] ?? '');
    const planned = map.columns.find((column) => column.name === name)?.sourceType;
    (shapes[id] ??= []).push({
      name,
      // MariaDB's JSON is stored, and logged, as the longtext that it is (mysql-json-alias.ts).
      type: planned === 'json' && type === 'longtext' ? 'json' : type,
      charset: row['character_set_name'] ?? null,
      isGenerated: /\b(VIRTUAL|STORED|PERSISTENT) GENERATED\b/i.test(row['extra'] ?? ''),
    });
  }
  return shapes;
}

export class MysqlLogRelations {
  readonly #bySource: ReadonlyMap<RelationId, RelationMap>;
  readonly #pool: Pick<MysqlPool, 'query'>;
  readonly #charsets: Charsets;
  /** Shapes that tables in the log may have, oldest first; the last is the catalogue's. */
  #known: readonly Shapes[];
  isStale = false;

  constructor(
    pool: Pick<MysqlPool, 'query'>,
    charsets: Charsets,
    maps: readonly RelationMap[],
    known: readonly Shapes[],
  ) {
    this.#pool = pool;
    this.#charsets = charsets;
    this.#bySource = new Map(maps.map((map) => [map.source, map]));
    this.#known = known;
  }

  has(id: RelationId): boolean {
    return this.#bySource.has(id);
  }

  map(id: RelationId): RelationMap | undefined {
    return this.#bySource.get(id);
  }

  get ids(): Iterable<RelationId> {
    return this.#bySource.keys();
  }

  /** The log has a definition of one of the relations: what the catalogue said may be over. */
  expectChange(): void {
    this.isStale = true;
  }

  /** @throws RefusedError when rows of it cannot be told from the plan. */
  async describe(map: RelationMap, table: TableMap): Promise<LogRelation> {
    if (this.isStale) {
      this.#known = [...this.#known, await readShapes(this.#pool, [...this.#bySource.values()])];
      this.isStale = false;
    }
    const shapes = this.#known.map((shape) => shape[map.source] ?? []);
    const columns = chooseShape(map, table, shapes);
    const now = shapes.at(-1) ?? [];
    assertPlanned(map, columns, now);
    return planLogRelation(map, table, columns, this.#charsets);
  }
}

/** Pure. The columns of a table in the log. @throws RefusedError when none of the shapes fits, or two that mean different things. */
export function chooseShape(
  map: RelationMap,
  table: TableMap,
  shapes: readonly (readonly LogColumn[])[],
): readonly LogColumn[] {
  const fitting = shapes.filter((columns) => fits(table, columns));
  const chosen = fitting.at(-1);
  if (chosen === undefined) {
    const last = shapes.at(-1) ?? [];
    if (last.length === 0) throw changedShape(map.source, 'it is not there, or has been renamed');
    throw changedShape(map.source, explainMisfit(table, last, map));
  }
  const other = fitting.find((columns) => !isReadAs(columns, chosen));
  if (other !== undefined)
    throw changedShape(
      map.source,
      `its columns have changed (${difference(other, chosen)}), and the log does not say which of the two its rows are in (binlog_row_metadata = FULL would)`,
    );
  return chosen;
}

function fits(table: TableMap, columns: readonly LogColumn[]): boolean {
  return (
    table.types.length === columns.length &&
    columns.every((column, i) => {
      if (table.names !== undefined && table.names[i] !== column.name) return false;
      if (!isKnownType(column.type)) return true;
      const { kind, isUnsigned } = mysqlType(column.type);
      const unsigned = table.unsigned?.[i];
      if (kind === 'integer' && unsigned !== undefined && unsigned !== isUnsigned) return false;
      return isTypeInLog(column.type, table.types[i] as number, table.metadata[i] as number);
    })
  );
}

function isKnownType(type: string): boolean {
  try {
    mysqlType(type);
    return true;
  } catch {
    return false;
  }
}

/** What decides how a row is read. Lengths do not. */
function meaning(columns: readonly LogColumn[]): string {
  return JSON.stringify(columns.map(({ name, type, charset }) => [name, signature(type), charset]));
}

/** Rows of one shape read by another: the same, but for labels added since at the end of a list, which those rows do not hold. */
function isReadAs(before: readonly LogColumn[], after: readonly LogColumn[]): boolean {
  return before.every((column, i) => {
    const now = after[i] as LogColumn;
    return (
      meaning([column]) === meaning([now]) ||
      (column.name === now.name && column.charset === now.charset && isLongerLabelList(column.type, now.type))
    );
  });
}

function signature(type: string): string {
  if (!isKnownType(type)) return type;
  const { kind, word, scale, length, isUnsigned } = mysqlType(type);
  if (kind === 'enum' || kind === 'set') return `${word} ${JSON.stringify(typeLabels(type))}`;
  if (kind === 'temporal' || kind === 'bit') return `${word} ${length ?? 0}`;
  return `${word} ${scale ?? 0} ${isUnsigned ? 'unsigned' : ''}`;
}

function difference(before: readonly LogColumn[], after: readonly LogColumn[]): string {
  const i = before.findIndex((column, at) => meaning([column]) !== meaning([after[at] as LogColumn]));
  const [a, b] = [before[i], after[i]];
  return `"${a?.name ?? ''}" ${a?.type ?? ''} and "${b?.name ?? ''}" ${b?.type ?? ''}`;
}

/** In the words of whoever changed it. */
function explainMisfit(table: TableMap, columns: readonly LogColumn[], map: RelationMap): string {
  const planned = new Set(map.columns.map((column) => column.name));
  const names = table.names ?? [];
  const added = names.find((name) => !columns.some((column) => column.name === name));
  if (added !== undefined)
    return planned.has(added)
      ? `column "${added}" has been dropped or renamed`
      : `column "${added}" is not in the plan`;
  if (table.types.length !== columns.length)
    return `the log has ${table.types.length} columns, the table ${columns.length}`;
  const place = columns.findIndex((column, i) => !fits({ ...table, ...one(table, i) }, [column]));
  return `column "${columns[place]?.name ?? ''}" has changed its type`;
}

const one = (table: TableMap, i: number) => ({
  types: [table.types[i] as number],
  metadata: [table.metadata[i] as number],
  ...(table.names !== undefined && { names: [table.names[i] as string] }),
  ...(table.unsigned !== undefined && { unsigned: [table.unsigned[i]] }),
});

/** Pure. The columns of the log and of the catalogue against the plan's. @throws RefusedError */
export function assertPlanned(
  map: RelationMap,
  logged: readonly LogColumn[],
  now: readonly LogColumn[],
): void {
  for (const column of logged)
    if (!column.isGenerated && !map.columns.some(({ name }) => name === column.name))
      throw changedShape(map.source, `column "${column.name}" is not in the plan`);
  for (const planned of map.columns) {
    const [inLog, inTable] = [logged, now].map((columns) =>
      columns.find((column) => column.name === planned.name),
    );
    if (inTable === undefined)
      throw changedShape(map.source, `column "${planned.name}" has been dropped or renamed`);
    const type = normaliseType(planned.sourceType);
    // Missing in the log but there now: added since. So are labels that its list lacks there.
    const isAs = (column: LogColumn) => signature(column.type) === signature(type);
    if (!isAs(inTable) || (inLog !== undefined && !isAs(inLog) && !isLongerLabelList(inLog.type, type)))
      throw changedShape(map.source, `column "${planned.name}" has changed its type`);
  }
}

async function planLogRelation(
  map: RelationMap,
  table: TableMap,
  columns: readonly LogColumn[],
  charsets: Charsets,
): Promise<LogRelation> {
  const places = columns.map((column) => map.columns.findIndex(({ name }) => name === column.name));
  const readers: ValueReader[] = [];
  for (const [i, column] of columns.entries()) {
    const [type, metadata] = [table.types[i] as number, table.metadata[i] as number];
    if (places[i] === -1) {
      const skipper = valueSkipper(type, metadata);
      if (skipper === null)
        throw uncapturable(
          map.source,
          `column "${column.name}" is of a type that the log's reader does not know`,
        );
      readers.push(skipper);
      continue;
    }
    const why = whyUnreadable(column);
    if (why !== null) throw uncapturable(map.source, `column "${column.name}": ${why}`);
    const text =
      mysqlType(column.type).kind === 'text' ? await charsets.reader(column.charset ?? 'utf8mb4') : null;
    readers.push(valueReader(column.type, type, metadata, text));
  }
  return {
    map,
    readers,
    places,
    key: map.key.map((name) => map.columns.findIndex((column) => column.name === name)),
    isLogged: map.columns.map((_, place) => places.includes(place)),
  };
}

/** Why the log does not give a column's values exactly; null: it does. */
export function whyUnreadable(column: LogColumn): string | null {
  if (!isKnownType(column.type)) return `type ${column.type} is not known`;
  const why = whyNotInLog(column.type);
  if (why !== null) return why;
  if (column.charset === null || isReadableCharset(column.charset)) return null;
  return `values in ${column.charset} are not read from the log exactly; convert it to utf8mb4`;
}

/** A table that the log cannot be read for, whatever the plan. */
export function uncapturable(subject: RelationId, why: string): RefusedError {
  return new RefusedError({
    code: 'DBPS_E355',
    message: `${subject} cannot be captured from the binary log: ${why}`,
    hint: 'change the column, leave the relation out of the service, or set migration.capture to trigger',
  });
}
