/** Columns of every type with values at their edges, for whatever has to read or write all of them. */
import type { Change, RelationMap } from '../../src/engines/engine.js';
import type { MysqlPool } from '../../src/engines/mysql/mysql-connection.js';
import { quoteRelation } from '../../src/engines/mysql/mysql-sql.js';
import { fromServer, readSql } from '../../src/engines/mysql/mysql-values.js';

/** Type, then values as SQL; where a column has fewer than the others: NULL. */
export const EVERY_TYPE: readonly (readonly [type: string, ...values: readonly string[]])[] = [
  ['tinyint', '-128', '127', '0'],
  ['tinyint unsigned', '255', '128'],
  ['smallint', '-32768', '32767'],
  ['smallint unsigned', '65535', '0'],
  ['mediumint', '-8388608', '8388607', '-1'],
  ['mediumint unsigned', '16777215', '8388608'],
  ['int', '-2147483648', '2147483647', '-1'],
  ['int unsigned', '4294967295', '2147483648'],
  ['bigint', '-9223372036854775808', '9223372036854775807', '-1'],
  ['bigint unsigned', '18446744073709551615', '9007199254740993', '0'],
  ['int(8) unsigned zerofill', '42', '99999999'],
  ['decimal(38,19)', '-1234567890123456789.1234567890123456789', '0.0000000000000000001', '-0.5'],
  ['decimal(9,0)', '-999999999', '0', '1'],
  ['decimal(5,5)', '-0.00001', '0.99999'],
  ['decimal(20,3) unsigned', '12345678901234567.001'],
  ['decimal(65,30)', `${'9'.repeat(35)}.${'9'.repeat(30)}`, `-${'1'.repeat(35)}.5`],
  ['float', '-1.17549435e-38', '3.4028235e38', '0.1', '16777216'],
  ['double', '2.2250738585072014e-308', '-1.7976931348623157e308', '0.1', '1e21', '123456789012345680000'],
  ['bit(13)', "b'1000000000001'", "b'0'", "b'1010101010101'"],
  ['bit(64)', "b'1000000000000000000000000000000000000000000000000000000000000001'", '0'],
  ['bit', "b'1'", "b'0'"],
  ['year', '2155', '0', '1901', '1970'],
  ['date', "'9999-12-31'", "'0000-00-00'", "'1000-01-01'", "'2026-00-00'"],
  ['datetime', "'1000-01-01 23:59:59'", "'0000-00-00 00:00:00'", "'9999-12-31 00:00:00'"],
  ['datetime(1)', "'2026-01-02 03:04:05.9'", "'0000-00-00 00:00:00'"],
  ['datetime(6)', "'2026-01-02 03:04:05.000001'", "'2026-00-00 00:00:00'", "'9999-12-31 23:59:59.999999'"],
  ['timestamp NULL', "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'"],
  ['timestamp(3) NULL', "'1970-01-01 00:00:01.001'", "'2026-03-29 01:30:00.1'", "'0000-00-00 00:00:00'"],
  ['timestamp(6) NULL', "'2026-06-02 03:04:05.678901'"],
  ['time', "'-838:59:59'", "'00:00:00'", "'-00:00:01'", "'838:59:59'"],
  ['time(1)', "'-00:00:00.1'", "'-838:59:59.0'", "'10:00:00.5'", "'-10:00:00.5'"],
  ['time(3)', "'-12:34:56.789'", "'-00:00:00.001'", "'00:00:00.010'"],
  ['time(6)', "'838:59:59.999999'", "'-00:00:01.000001'", "'00:00:00.000010'", "'-00:59:00'"],
  ['char(10)', "'trail  '", "''", "'ž'", "' x'"],
  ['char(200)', "REPEAT('é', 200)", "'x'"],
  ['varchar(300)', "CONCAT(REPEAT('x', 299), '😀')", "'  '"],
  ['varchar(60)', "REPEAT('y', 60)"],
  ['varchar(30) CHARACTER SET latin1', "'naïve €ÿ'", "_latin1 x'81608d9d'"],
  ['varchar(30) CHARACTER SET cp1250', "'žluťoučký'", "''"],
  ['varchar(30) CHARACTER SET koi8r', "'мир'"],
  ['text CHARACTER SET utf8mb3', "'žů漢'"],
  ['varchar(9) CHARACTER SET ucs2', "'a漢'"],
  ['varchar(9) CHARACTER SET utf16', "'a😀'"],
  ['varchar(9) CHARACTER SET utf16le', "'b😀'"],
  ['varchar(9) CHARACTER SET utf32', "'c😀'"],
  ['varchar(9) CHARACTER SET ascii', "'plain'"],
  ['binary(8)', "x'00ff00'", "x''", "x'0102030405060708'"],
  ['varbinary(20)', "x'00ff0000'", "x''"],
  ['tinyblob', "x''", "x'00'"],
  ['longblob', "REPEAT(x'ab00', 40000)", "x''"],
  ['longtext', "'line\\nzero\\0tab\\t\\\\'", "''"],
  [
    `enum('new', 'it''s, "paid"', 'ž', '', '\\\\', 'a\\nb\\r')`,
    `'it''s, "paid"'`,
    "'ž'",
    "''",
    "'\\\\'",
    '0',
  ],
  ["enum('a', 'b') CHARACTER SET latin1", "'b'"],
  [`enum(${Array.from({ length: 300 }, (_, i) => `'l${i}'`).join()})`, "'l0'", "'l299'"],
  ["set('x', 'y''s', 'ž')", "'x,ž'", "''", "'y''s'"],
  [`set(${Array.from({ length: 64 }, (_, i) => `'s${i}'`).join()})`, "'s0,s63'", "'s31,s32'"],
  ['json', `'{"b": [1, 2.50, null], "aa": "ž\\\\n", "10": 1e3}'`, "'[]'", `'"text"'`],
  ['point', "ST_GeomFromText('POINT(1.5 -2)', 4326)"],
  [
    'geometry',
    "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')",
    "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 3857)",
  ],
  [
    'uuid',
    "'123e4567-e89b-42d3-a456-426614174000'",
    "'00000000-0000-0000-0000-000000000000'",
    "'ffffffff-ffff-4fff-bfff-ffffffffff00'",
    "'018f4e3c-7b5a-7c3d-9e8f-0123456789ab'",
  ],
  ['inet6', "'2001:db8::1:0:0:1'", "'::'", "'::ffff:1.2.3.4'", "'::1.2.3.4'", "'::1'", "'1:0:0:2::'"],
  ['inet4', "'10.0.0.0'", "'255.255.255.255'"],
  ['text COMPRESSED', "REPEAT('compress me ', 50)", "''", "'x'"],
  ['varchar(900) COMPRESSED', "REPEAT('v', 900)", "''"],
];

const ONLY_MARIADB = /^(uuid|inet[46])$|COMPRESSED$/;
const typesOf = (isMaria: boolean) => EVERY_TYPE.filter(([type]) => isMaria || !ONLY_MARIADB.test(type));

export const everyTypeTable = (name: string, isMaria: boolean): string =>
  `CREATE TABLE ${name} (id int PRIMARY KEY, ${typesOf(isMaria)
    .map(([type], i) => `c${i} ${type}`)
    .join(', ')})`;

/** To be run without a strict mode, in UTC. */
export const everyTypeInserts = (name: string, isMaria: boolean): readonly string[] =>
  Array.from(
    { length: Math.max(...EVERY_TYPE.map((column) => column.length)) },
    (_, i) =>
      `INSERT INTO ${name} VALUES (${i + 1}, ${typesOf(isMaria)
        .map((column) => column[i + 1] ?? 'NULL')
        .join(', ')})`,
  );

/** The same rows as a query gives them in canonical text, in order of the id. */
export async function readCanonicalRows(
  pool: Pick<MysqlPool, 'query'>,
  map: RelationMap,
): Promise<readonly Readonly<Record<string, string | null>>[]> {
  const rows = await pool.query(
    `SELECT ${map.columns.map(({ name, sourceType }) => `${readSql(sourceType, `\`${name}\``)} AS \`${name}\``).join(', ')}
       FROM ${quoteRelation(map.source)} ORDER BY id`,
  );
  return rows.map((row) =>
    Object.fromEntries(
      map.columns.map(({ name, sourceType }) => {
        const text = row[name] ?? null;
        return [name, text === null ? null : (fromServer(sourceType)?.(text) ?? text)];
      }),
    ),
  );
}

/** Rows of inserts by column. */
export const insertedRows = (changes: readonly Change[]): readonly unknown[] =>
  changes.map((change) =>
    change.kind === 'insert'
      ? Object.fromEntries(change.map.columns.map(({ name }, i) => [name, change.values[i]]))
      : change.kind,
  );
