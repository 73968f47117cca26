/**
 * A column's value as 64 bits. The server's own hash functions are four times as fast as hashing text, but they were made for hash joins: equal
 * values must agree, different ones need not differ. What a comparison must tell apart and they do not is mended here or compared as text
 * (each was tried on PostgreSQL 15 and 17; test/contract/postgres-checksum.test.ts keeps the list):
 *
 * - bigint is folded to 32 bits first: 1 = 4294967296, -1 = 4294967295. So are timestamps, time and pg_lsn.
 * - numeric leaves out the sign: 5 = -5, and NaN = Infinity.
 * - jsonb inherits that, and leaves out where containers end: [[1],2] = [[1,2]].
 * - arrays leave out their dimensions, interval takes a day for 24 hours.
 * - enums, and whatever holds a type of the user's, hash identifiers that differ between databases; json, xml, bit, money, geometric and
 *   text-search types have no hash at all.
 *
 * Text of any collation is hashed as bytes.
 */

/** Words of ChecksumMethod.columns[].as; `text` is the one that always works. */
interface Hashing {
  readonly sql: (value: string, seed: number) => string;
  /** What it takes for equal although the text differs. */
  readonly note?: string;
}

/** All bytes of what the type sends in binary: nothing is folded. Their hexadecimal text is hashed faster than an array that holds them. */
const sent = (send: string) => (value: string, seed: number) =>
  `hashtextextended(encode(${send}(${value}), 'hex') COLLATE "C", ${seed})`;

/** Folding gives low half xor high half; 47 low bits beside it leave no two values alike. */
const unfolded = (hash: string, value: string) => `${hash} # (${value} << 17)`;

const HASHINGS: Readonly<Record<string, Hashing>> = {
  text: { sql: (v, s) => `hashtextextended(${v}::text COLLATE "C", ${s})` },
  bool: { sql: (v, s) => `hashint4extended(${v}::integer, ${s})` },
  int2: { sql: (v, s) => `hashint2extended(${v}, ${s})` },
  int4: { sql: (v, s) => `hashint4extended(${v}, ${s})` },
  int8: { sql: (v, s) => unfolded(`hashint8extended(${v}, ${s})`, v) },
  oid: { sql: (v, s) => `hashoidextended(${v}, ${s})` },
  uuid: { sql: (v, s) => `uuid_hash_extended(${v}, ${s})` },
  float4: { sql: (v, s) => `hashfloat4extended(${v}, ${s})`, note: '-0 counts as 0' },
  float8: { sql: (v, s) => `hashfloat8extended(${v}, ${s})`, note: '-0 counts as 0' },
  numeric: {
    sql: (v, s) => {
      const hash = `hash_numeric_extended(${v}, ${s})`;
      return `CASE WHEN ${v} > 0 THEN CASE WHEN ${v} = 'NaN' THEN -${s} ELSE ${hash} END ELSE ~${hash} END`;
    },
    note: '1.0 counts as 1.00',
  },
  // With a scale of its own a column writes each value in one way only, and holds no infinity.
  'numeric-scaled': {
    sql: (v, s) => {
      const hash = `hash_numeric_extended(${v}, ${s})`;
      return `CASE WHEN ${v} > 0 THEN ${hash} ELSE ~${hash} END`;
    },
  },
  date: {
    sql: (v, s) =>
      `CASE WHEN isfinite(${v}) THEN hashint4extended(${v} - date '2000-01-01', ${s}) ELSE hashtextextended(${v}::text COLLATE "C", ${s}) END`,
  },
  time: { sql: sent('time_send') },
  timestamp: { sql: sent('timestamp_send') },
  timestamptz: { sql: sent('timestamptz_send') },
  bytea: { sql: (v, s) => `hash_array_extended(ARRAY[${v}], ${s})` },
  inet: { sql: (v, s) => `hashinetextended(${v}, ${s})` },
  macaddr: { sql: (v, s) => `hashmacaddrextended(${v}, ${s})` },
};

/** pg_type names of the server's own types; any other, and every array, enum, range and composite, goes as text. */
const HASHED_AS: Readonly<Record<string, string>> = {
  bool: 'bool',
  int2: 'int2',
  int4: 'int4',
  int8: 'int8',
  oid: 'oid',
  uuid: 'uuid',
  float4: 'float4',
  float8: 'float8',
  date: 'date',
  time: 'time',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  bytea: 'bytea',
  inet: 'inet',
  cidr: 'inet',
  macaddr: 'macaddr',
};

/** Hashed as text anyway, and so exact. */
const INEXACT = new Set(['float4', 'float8', 'numeric']);

export interface ColumnType {
  /** Name of the base type (below any domain) when it is the server's own and plain; null otherwise. */
  readonly builtIn: string | null;
  /** The declared type has a length, precision or scale. */
  readonly hasModifier: boolean;
}

export function hashedAs(type: ColumnType, isStrict: boolean): string {
  const as =
    type.builtIn === 'numeric'
      ? type.hasModifier
        ? 'numeric-scaled'
        : 'numeric'
      : ((type.builtIn === null ? undefined : HASHED_AS[type.builtIn]) ?? 'text');
  return isStrict && INEXACT.has(as) ? 'text' : as;
}

export function hashingNote(as: string): string | undefined {
  return HASHINGS[as]?.note;
}

interface HashedColumn {
  readonly as: string;
  /** An expression, evaluated several times. */
  readonly value: string;
  /** Whether NULL is asked for; where it is not, a NULL makes the row's number NULL. */
  readonly isNullable: boolean;
}

function hashSql({ as, value, isNullable }: HashedColumn, seed: number): string {
  const hashing = HASHINGS[as];
  if (hashing === undefined) throw new RangeError(`no way to hash a column as "${as}"`);
  const hash = hashing.sql(value, seed);
  // NULL is a value of its own: neither '' nor 0 nor the absence of the column.
  return isNullable ? `coalesce(${hash}, ${7_046_029 * seed + 1})` : hash;
}

/** The columns xor-ed under seeds of their own: 64 bits, to be finished. */
export function rowHashSql(columns: readonly HashedColumn[]): string {
  const mixed = columns.map((column, i) => `(${hashSql(column, i + 1)})`).join(' # ');
  return mixed === '' ? '0::bigint' : mixed;
}

/**
 * One number a row. Without a nonlinear finish, values swapped between two rows would cancel out in the xor over rows. As a double the number
 * keeps its upper 53 bits (a bigint's own bits are above the eleven that it loses), and is evaluated once: a subquery that holds it for a
 * second look costs as much as two columns.
 */
export function finishSql(mixed: string): string {
  return `hashfloat8extended((${mixed})::float8, 9001)`;
}
