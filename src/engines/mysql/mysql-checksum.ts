/**
 * Comparing on the server: a count and an order-free hash for each range of the key, so that equal data costs one number on the wire.
 * What of a row is hashed, and how, is in mysql-column-hash.ts.
 */
import type { ConnectionTarget } from '../../model/connection-target.js';
import { DatabaseError } from '../../model/errors.js';
import type { RelationId } from '../../model/relation-id.js';
import {
  CANONICAL_SUM,
  CANONICAL_XOR,
  canonicalMethod,
  canonicalOf,
  canonicalRow,
  canonicalValues,
  comparedColumns,
  finishedHash,
  hashedThere,
  isCanonical,
  isHashedHere,
  leftOut,
  orderOfKind,
  RangeDigest,
  rowsPerRange,
  UUID_ORDER,
} from '../canonical-columns.js';
import type {
  Checksum,
  ChecksumMethod,
  Chunk,
  ComparedRow,
  Direction,
  Key,
  MethodOptions,
  OpenOptions,
  OrphanQuery,
  OrphanResult,
  RangeHash,
  RelationMap,
  RowHash,
  SequenceState,
  Side,
} from '../engine.js';
import { columnsOn, keyOn, relationOn, type KeyColumn, type SideColumn } from '../relation-sides.js';
import { BulkSessions } from './mysql-bulk-sessions.js';
import { digestNumberSql, rowDigestSql, textSql } from './mysql-canonical.js';
import { hashedAs, hashingNote, mostBytes, rowBytesSql, rowsNumberSql } from './mysql-column-hash.js';
import { describeColumns, type DescribedColumn } from './mysql-column-types.js';
import { SESSION_MARK } from './mysql-connection.js';
import { keyOf, ownValues, planCuts } from './mysql-key-cuts.js';
import { keysCondition, rangeCondition } from './mysql-key-range.js';
import { repairSql } from './mysql-repair.js';
import { readSequences } from './mysql-sequences.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './mysql-sql.js';
import { readSql } from './mysql-values.js';

const METHOD = 'two CRC32 of whole rows, made nonlinear, xor over rows; SHA-1 of single rows';
/** Longer lists become a join in MariaDB, and their plan takes longer than their answer. */
const KEYS_AT_ONCE = 500;

export class MysqlChecksum implements Checksum {
  readonly #sessions: BulkSessions;

  constructor(target: ConnectionTarget, options: OpenOptions) {
    this.#sessions = new BulkSessions(target, { ...options, readOnly: true });
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async method(map: RelationMap, side: Side, options: MethodOptions): Promise<ChecksumMethod> {
    return this.#sessions.use(async (session) => {
      const found = await describeColumns(session, relationOn(map, side));
      const columns = columnsOn(map, side);
      const left = leftOut(found, columns);
      const [row] = await session.rows('SELECT @@max_allowed_packet');
      const packet = Number(row?.[0] ?? 0);
      if (options.peer !== 'mysql') {
        // Longer texts go in by their digests.
        if (columns.length * 5_000 > packet) throw tooLong(map, packet);
        return acrossEngines(map, side, options, found, left);
      }
      const hashed = chooseHashing(map, columns, found, packet);
      return {
        name: METHOD,
        columns: hashed.map(({ column, as }) => {
          const note = hashingNote(as);
          return { column, as, ...(note !== undefined && { note }) };
        }),
        order: keyOn(map, side).map((key) => found.find((c) => c.name === key.name)?.order ?? 'unknown'),
        notCompared: left,
      };
    });
  }

  async ranges(
    map: RelationMap,
    rowsPerChunk: number,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly Chunk[]> {
    const rows = rowsPerRange(method, rowsPerChunk);
    return this.#sessions.use(
      (session) => planCuts(session, map, side, Math.max(1, Math.trunc(rows)), method, signal),
      signal,
    );
  }

  async hash(
    map: RelationMap,
    chunk: Chunk,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<RangeHash> {
    const condition = rangeCondition(chunk, keyOn(map, side, method));
    if (method.columns.some(({ as }) => isHashedHere(as))) {
      const digest = new RangeDigest();
      await this.#hashRowsHere(map, method, side, condition, (row) => digest.add(row.hash), signal);
      return digest.result();
    }
    return this.#sessions.use(async (session) => {
      const [row] = await session.rows(
        `SELECT COUNT(*), ${rangeHashSql(map, method, side)}
           FROM ${quoteRelation(relationOn(map, side))} WHERE ${condition}`,
      );
      const hash = (row ?? []).slice(1).join('-');
      // Other engines have no unsigned numbers.
      const isSigned = method.name === CANONICAL_XOR;
      return {
        rows: Number(row?.[0] ?? 0),
        hash: isSigned ? BigInt.asIntN(64, BigInt(hash)).toString() : hash,
      };
    }, signal);
  }

  async count(map: RelationMap, side: Side, signal?: AbortSignal): Promise<number> {
    return this.#sessions.use(async (session) => {
      const [row] = await session.rows(`SELECT COUNT(*) FROM ${quoteRelation(relationOn(map, side))}`);
      return Number(row?.[0] ?? 0);
    }, signal);
  }

  async rowHashes(
    map: RelationMap,
    chunk: Chunk,
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]> {
    return this.#hashRows(map, method, side, [rangeCondition(chunk, keyOn(map, side, method))], signal);
  }

  async keyHashes(
    map: RelationMap,
    keys: readonly Key[],
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]> {
    return this.#hashRows(map, method, side, conditions(keys, keyOn(map, side, method)), signal);
  }

  async rows(
    map: RelationMap,
    keys: readonly Key[],
    method: ChecksumMethod,
    side: Side,
    signal?: AbortSignal,
  ): Promise<readonly ComparedRow[]> {
    const columns = columnsOn(map, side);
    const canonical = isCanonical(method) ? canonicalOf(map, method, side) : null;
    const keyColumns = keyOn(map, side, method);
    const key = keyColumns.map((k) => columns.findIndex((c) => c.name === k.name));
    return this.#sessions.use(async (session) => {
      const found: ComparedRow[] = [];
      for (const condition of conditions(keys, keyColumns)) {
        const rows = await session.rows(
          `SELECT ${columns.map((c) => readSql(c.type, quoteIdentifier(c.name))).join(', ')}
             FROM ${quoteRelation(relationOn(map, side))} WHERE ${condition}`,
        );
        for (const row of rows) {
          const own = ownValues(columns, row);
          const values = canonical === null ? own : canonicalRow(columns, canonical, own);
          found.push({ key: key.map((i) => values[i] as string), values });
        }
      }
      return found;
    }, signal);
  }

  repairSql(
    map: RelationMap,
    key: Key,
    values: readonly (string | null)[] | null,
    method: ChecksumMethod,
    side: Side,
  ): string {
    return repairSql(map, key, values, method, side);
  }

  repairFrame(service: string, direction: Direction): { readonly before: string; readonly after: string } {
    const isOurs = `service = ${quoteLiteral(service)} AND direction = ${quoteLiteral(direction)}`;
    return {
      before: [
        `SET ${SESSION_MARK} = 'on';`,
        'START TRANSACTION;',
        `UPDATE dbps.checkpoint SET mark = mark + 1 WHERE ${isOurs};`,
      ].join('\n'),
      after: `COMMIT;\nSET ${SESSION_MARK} = NULL;`,
    };
  }

  async orphans(reference: OrphanQuery, limit: number, signal?: AbortSignal): Promise<OrphanResult> {
    return this.#sessions.use(async (session) => {
      const child = reference.childColumns.map((name) => `c.${quoteIdentifier(name)}`);
      const parent = reference.parentColumns.map((name) => `p.${quoteIdentifier(name)}`);
      const orphaned = `FROM ${quoteRelation(reference.child)} c
        WHERE ${child.map((column) => `${column} IS NOT NULL`).join(' AND ')}
          AND NOT EXISTS (SELECT 1 FROM ${quoteRelation(reference.parent)} p
                           WHERE ${child.map((column, i) => `${parent[i]} = ${column}`).join(' AND ')})`;
      const [counted] = await session.rows(`SELECT COUNT(*) ${orphaned}`);
      const count = Number(counted?.[0] ?? 0);
      if (count === 0) return { count, sample: [] };
      const described = await describeColumns(session, reference.child);
      const columns = reference.childColumns.map((name) => ({
        type: described.find((column) => column.name === name)?.type ?? 'text',
      }));
      const rows = await session.rows(
        `SELECT DISTINCT ${child.map((column, i) => readSql((columns[i] as { type: string }).type, column)).join(', ')} ${orphaned} LIMIT ${Math.trunc(limit)}`,
      );
      return {
        count,
        sample: rows.map((row) => ownValues(columns, row) as string[]),
      };
    }, signal);
  }

  async sequences(ids: readonly RelationId[], signal?: AbortSignal): Promise<readonly SequenceState[]> {
    return this.#sessions.use((session) => readSequences(session, ids), signal);
  }

  async #hashRows(
    map: RelationMap,
    method: ChecksumMethod,
    side: Side,
    where: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly RowHash[]> {
    const found: RowHash[] = [];
    if (method.columns.some(({ as }) => isHashedHere(as))) {
      for (const condition of where)
        await this.#hashRowsHere(map, method, side, condition, (row) => found.push(row), signal);
      return found;
    }
    const key = keyOn(map, side, method);
    return this.#sessions.use(async (session) => {
      for (const condition of where) {
        const rows = await session.rows(
          `SELECT ${selectKey(key)}, ${rowHashSql(map, method, side)}
             FROM ${quoteRelation(relationOn(map, side))} WHERE ${condition}`,
        );
        for (const row of rows) found.push({ key: keyOf(key, row), hash: row[key.length] as string });
      }
      return found;
    }, signal);
  }

  /** Where the servers have no common form of some column, its text is fetched, row by row, since it may be long. */
  async #hashRowsHere(
    map: RelationMap,
    method: ChecksumMethod,
    side: Side,
    condition: string,
    take: (row: RowHash) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const key = keyOn(map, side, method);
    const here = canonicalOf(map, method, side).filter(({ as }) => isHashedHere(as));
    const texts = here.map(({ type, kind, name }) => textSql(type, kind, quoteIdentifier(name)));
    await this.#sessions.use(
      (session) =>
        session.each(
          `SELECT ${[selectKey(key), rowHashSql(map, method, side), ...texts].join(', ')}
             FROM ${quoteRelation(relationOn(map, side))} WHERE ${condition}`,
          (row) =>
            take({
              key: keyOf(key, row),
              hash: finishedHash(row[key.length] as string, canonicalValues(here, row.slice(key.length + 1))),
            }),
        ),
      signal,
    );
  }
}

const selectKey = (key: readonly KeyColumn[]): string =>
  key.map(({ name, type }) => readSql(type, quoteIdentifier(name))).join(', ');

function conditions(keys: readonly Key[], columns: readonly KeyColumn[]): readonly string[] {
  const found: string[] = [];
  for (let from = 0; from < keys.length; from += KEYS_AT_ONCE)
    found.push(keysCondition(keys.slice(from, from + KEYS_AT_ONCE), columns));
  return found;
}

/** A row's hash in hex. */
function rowHashSql(map: RelationMap, method: ChecksumMethod, side: Side): string {
  if (!isCanonical(method)) return `SHA1(${rowBytesSql(comparedColumns(map, method, side))})`;
  return rowDigestSql(hashedThere(map, method, side));
}

/** Columns of a select list: 64 bits of all rows, in no order. */
function rangeHashSql(map: RelationMap, method: ChecksumMethod, side: Side): string {
  if (method.name === CANONICAL_SUM) return `SUM(${digestNumberSql(rowHashSql(map, method, side), true)})`;
  if (method.name === CANONICAL_XOR)
    return `BIT_XOR(${digestNumberSql(rowHashSql(map, method, side), false)})`;
  return rowsNumberSql(rowBytesSql(comparedColumns(map, method, side)));
}

/** How this side would be compared with another engine's. */
function acrossEngines(
  map: RelationMap,
  side: Side,
  options: MethodOptions,
  found: readonly DescribedColumn[],
  left: ChecksumMethod['notCompared'],
): ChecksumMethod {
  const method = canonicalMethod(map, side, { own: 'mysql', peer: options.peer }, options.isStrict);
  return {
    name: CANONICAL_XOR,
    columns: method.columns,
    order: keyOn(map, side, { columns: method.columns, order: [] }).map(({ name, kind, type }) => {
      const own = found.find((column) => column.name === name)?.order ?? 'unknown';
      // MariaDB sorts its own type by the time in it; text sorts like bytes where case does not count.
      if (kind === 'uuid' && !type.startsWith('binary'))
        return /_ci$/.test(own) ? UUID_ORDER : `MySQL ${own}`;
      return orderOfKind(kind, type) ?? `MySQL ${own}`;
    }),
    notCompared: [...left, ...method.notCompared],
  };
}

/** Long values go in as digests; where even the others together may be more than a packet, all do. */
function chooseHashing(
  map: RelationMap,
  columns: readonly SideColumn[],
  found: readonly DescribedColumn[],
  packet: number,
): readonly { readonly column: string; readonly as: string }[] {
  const described = columns.map((column) => ({
    column: column.source,
    type: found.find((c) => c.name === column.name),
  }));
  for (const isLong of [false, true]) {
    const hashed = described.map(({ column, type }) => {
      const octets = isLong && type?.octets != null ? Infinity : (type?.octets ?? null);
      return { column, octets, as: type === undefined ? 'text' : hashedAs({ ...type, octets }) };
    });
    if (mostBytes(hashed) <= packet) return hashed.map(({ column, as }) => ({ column, as }));
  }
  throw tooLong(map, packet);
}

function tooLong(map: RelationMap, packet: number): DatabaseError {
  return new DatabaseError({
    code: 'DBPS_E450',
    message: `a row of ${map.source} may be longer than max_allowed_packet (${packet}), and would then be hashed as NULL`,
    hint: `SET GLOBAL max_allowed_packet = ${packet * 16}`,
  });
}
