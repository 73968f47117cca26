/** Where MariaDB and MySQL differ in what they show of themselves. Two small objects instead of tests of the name here and there. */

export interface MysqlFlavor {
  readonly product: 'MySQL' | 'MariaDB';
  /** The column's default as an SQL expression; undefined: none. */
  defaultExpression(row: {
    readonly column_default: string | null;
    readonly extra: string;
    readonly data_type: string;
  }): string | undefined;
  /** An expression as information_schema shows it → as SQL. */
  expression(shown: string): string;
  /** Query for check constraints: relation, name, expression. */
  readonly checksSql: string;
  /** Columns of information_schema.STATISTICS for an expression key, or a literal NULL. */
  readonly indexExpression: string;
  /** Column of information_schema.COLUMNS for the spatial reference system, or a literal NULL. */
  readonly spatialReference: string;
  /** The right to see routines' bodies of others, as the object of GRANT. */
  readonly routineBodies: string;
  /** The right to make triggers that run as another account, on the whole server. */
  setDefiner(version: number): string;
  /** True when the index is ignored by the optimiser. */
  readonly indexVisibility: string;
  /** What keeps an index from the optimiser; nothing on the other product. */
  readonly invisibleIndex: string;
  /** What a session for long reads sets: no limit on a statement's time, nothing from a cache of statistics. */
  readonly bulkSettings: string;
  /** The sessions (`id`) of this account that hold what the session `?` waits for in InnoDB, and do not wait themselves. */
  readonly lockHoldersSql: string;
  /** Statements that limit each further SELECT of the session, and lift the limit. */
  statementTimeout(ms: number): { readonly limitSql: string; readonly unlimitSql: string };
}

const HOLDERS_OF_THIS_ACCOUNT = `
    JOIN information_schema.processlist p ON p.id = h.trx_mysql_thread_id AND p.user = SUBSTRING_INDEX(USER(), '@', 1)
   WHERE w.trx_mysql_thread_id = ? AND h.trx_state <> 'LOCK WAIT' AND COALESCE(p.state, '') NOT LIKE 'Waiting for%lock'`;

const NUMERIC = /^(tinyint|smallint|mediumint|int|bigint|decimal|float|double|bit|year)$/;

export const MARIADB: MysqlFlavor = {
  product: 'MariaDB',
  // Already an expression: 'text' in quotes, current_timestamp(), NULL for "default null".
  defaultExpression: ({ column_default }) =>
    column_default === null || column_default === 'NULL' ? undefined : column_default,
  expression: (shown) => shown,
  checksSql: `
    SELECT tc.table_schema, tc.table_name, tc.constraint_name, cc.check_clause, 'YES' AS enforced
      FROM information_schema.table_constraints tc
      JOIN information_schema.check_constraints cc
        ON cc.constraint_schema = tc.constraint_schema AND cc.table_name = tc.table_name
       AND cc.constraint_name = tc.constraint_name
     WHERE tc.constraint_type = 'CHECK' AND tc.table_schema IN (?)
     ORDER BY 1, 2, 3`,
  indexExpression: 'NULL',
  // Bound to none: the column's values each bear their own.
  spatialReference: 'NULL',
  routineBodies: 'SELECT ON mysql.proc',
  setDefiner: () => 'SET USER',
  indexVisibility: "IF(ignored = 'YES', 'NO', 'YES')",
  invisibleIndex: '/*M!100600 IGNORED */',
  bulkSettings: 'SET SESSION max_statement_time = 0',
  lockHoldersSql: `
  SELECT DISTINCT p.id FROM information_schema.innodb_lock_waits l
    JOIN information_schema.innodb_trx w ON w.trx_id = l.requesting_trx_id
    JOIN information_schema.innodb_trx h ON h.trx_id = l.blocking_trx_id${HOLDERS_OF_THIS_ACCOUNT}`,
  statementTimeout: (ms) => ({
    limitSql: `SET SESSION max_statement_time = ${ms / 1000}`,
    unlimitSql: 'SET SESSION max_statement_time = 0',
  }),
};

/**
 * MySQL shows expressions as they stand within quotes, each literal with its character set: `_utf8mb4\'a\'` for `'a'`. The sets of Unicode say nothing in
 * a session of dbps, which is in utf8mb4 itself, and no other engine knows them.
 */
function unescaped(shown: string): string {
  return shown
    .replaceAll(/\\(.)/gs, (_, after: string) => CONTROL[after] ?? after)
    .replaceAll(
      /('(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`)|\b_utf8mb[34](?=')/gs,
      (_, quoted?: string) => quoted ?? '',
    );
}

const CONTROL: Readonly<Record<string, string>> = { n: '\n', r: '\r', 0: '\0', Z: '\x1a' };

export const MYSQL: MysqlFlavor = {
  product: 'MySQL',
  // A bare value, or an expression when EXTRA says DEFAULT_GENERATED.
  defaultExpression: ({ column_default, extra, data_type }) => {
    if (column_default === null) return undefined;
    if (/DEFAULT_GENERATED/i.test(extra)) return unescaped(column_default);
    if (NUMERIC.test(data_type) || /^b'/.test(column_default)) return column_default;
    if (/binary$/.test(data_type) && /^0x/.test(column_default)) return column_default;
    return `'${column_default.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  },
  expression: unescaped,
  checksSql: `
    SELECT tc.table_schema, tc.table_name, tc.constraint_name, cc.check_clause, tc.enforced
      FROM information_schema.table_constraints tc
      JOIN information_schema.check_constraints cc
        ON cc.constraint_schema = tc.constraint_schema AND cc.constraint_name = tc.constraint_name
     WHERE tc.constraint_type = 'CHECK' AND tc.table_schema IN (?)
     ORDER BY 1, 2, 3`,
  indexExpression: 'expression',
  spatialReference: 'srs_id',
  routineBodies: 'SHOW_ROUTINE ON *.*',
  setDefiner: (version) => (version < 80_200 ? 'SET_USER_ID' : 'SET_ANY_DEFINER'),
  indexVisibility: 'is_visible',
  invisibleIndex: '/*!80000 INVISIBLE */',
  bulkSettings: 'SET SESSION max_execution_time = 0, SESSION information_schema_stats_expiry = 0',
  lockHoldersSql: `
  SELECT DISTINCT p.id FROM performance_schema.data_lock_waits l
    JOIN information_schema.innodb_trx w ON w.trx_id = l.requesting_engine_transaction_id
    JOIN information_schema.innodb_trx h ON h.trx_id = l.blocking_engine_transaction_id${HOLDERS_OF_THIS_ACCOUNT}`,
  statementTimeout: (ms) => ({
    limitSql: `SET SESSION max_execution_time = ${Math.ceil(ms)}`,
    unlimitSql: 'SET SESSION max_execution_time = 0',
  }),
};

export function flavorOf(version: string): MysqlFlavor {
  return /mariadb/i.test(version) ? MARIADB : MYSQL;
}

/** 10.11.19-MariaDB → 101119 (major·10000 + minor·100 + patch), as the server counts it in its comments. */
export function versionNumber(version: string): number {
  // Some proxies and MariaDB replicas prefix the version with 5.5.5-.
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(version.replace(/^5\.5\.5-/, ''));
  return match === null ? 0 : Number(match[1]) * 10_000 + Number(match[2]) * 100 + Number(match[3]);
}

/** `int(11) unsigned` and `int unsigned` are one type: the display width says nothing about the values (tinyint(1) stays: it means a boolean). */
export function normaliseType(columnType: string): string {
  if (/zerofill/i.test(columnType) || /^tinyint\(1\)/i.test(columnType)) return columnType.toLowerCase();
  const match = /^(tinyint|smallint|mediumint|int|integer|bigint|year)\(\d+\)/i.exec(columnType);
  if (match === null) return columnType.replace(/^[a-z]+/i, (word) => word.toLowerCase());
  const word = (match[1] as string).toLowerCase();
  return (word === 'integer' ? 'int' : word) + columnType.slice(match[0].length).toLowerCase();
}
