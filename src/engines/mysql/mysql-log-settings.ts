/** What a server must log so that every change of a row can be read back. Facts are read here, and judged by a pure function. */
import type { MysqlPool } from './mysql-connection.js';
import { flavorOf, versionNumber } from './mysql-flavor.js';
import type { LogPosition } from './mysql-position.js';

export interface LogSettings {
  readonly product: 'MySQL' | 'MariaDB';
  readonly version: number;
  readonly isOn: boolean;
  readonly format: string;
  readonly rowImage: string;
  /** binlog_row_value_options; empty where there is no such setting. */
  readonly rowValueOptions: string;
  readonly compressesTransactions: boolean;
  readonly foldsCase: boolean;
  /** Name of this server among all: a UUID, or its number, its domain and where it keeps its log. */
  readonly server: string;
}

export async function readLogSettings(pool: Pick<MysqlPool, 'query'>): Promise<LogSettings> {
  const rows = await pool.query(
    `SHOW GLOBAL VARIABLES WHERE variable_name IN ('version', 'log_bin', 'binlog_format', 'binlog_row_image',
       'binlog_row_value_options', 'binlog_transaction_compression', 'lower_case_table_names', 'server_uuid', 'server_id',
       'gtid_domain_id', 'log_bin_basename', 'hostname')`,
  );
  const value = new Map(rows.map((row) => [row['variable_name']?.toLowerCase(), row['value'] ?? '']));
  const get = (name: string): string => value.get(name) ?? '';
  const version = get('version');
  return {
    product: flavorOf(version).product,
    version: versionNumber(version),
    isOn: get('log_bin') === 'ON',
    format: get('binlog_format').toUpperCase(),
    rowImage: get('binlog_row_image').toUpperCase(),
    rowValueOptions: get('binlog_row_value_options'),
    compressesTransactions: get('binlog_transaction_compression') === 'ON',
    foldsCase: get('lower_case_table_names') !== '0',
    server:
      get('server_uuid') ||
      ['server_id', 'gtid_domain_id', 'hostname', 'log_bin_basename'].map(get).join('/'),
  };
}

export interface LogProblem {
  readonly problem: string;
  readonly remedy: string;
  readonly needsRestart: boolean;
}

/** Everything that would leave changes out of the log, or in a form that cannot be read. Pure. */
export function assessLogSettings(settings: LogSettings): readonly LogProblem[] {
  if (!settings.isOn)
    return [
      {
        problem: 'the server writes no binary log (log_bin is OFF)',
        remedy: 'set log_bin in the server’s configuration, with binlog_format = ROW',
        needsRestart: true,
      },
    ];
  const problems: LogProblem[] = [];
  const check = (isGood: boolean, problem: string, remedy: string) => {
    if (!isGood) problems.push({ problem, remedy, needsRestart: false });
  };
  check(
    settings.format === '' || settings.format === 'ROW',
    `binlog_format is ${settings.format}: the log has statements instead of rows`,
    'SET GLOBAL binlog_format = ROW, keep it in the configuration, and let applications connect anew',
  );
  check(
    settings.rowImage === '' || settings.rowImage === 'FULL',
    `binlog_row_image is ${settings.rowImage}: rows are logged in part`,
    'SET GLOBAL binlog_row_image = FULL, keep it in the configuration, and let applications connect anew',
  );
  check(
    settings.rowValueOptions === '',
    `binlog_row_value_options is ${settings.rowValueOptions}: updates of JSON are logged as differences`,
    "SET GLOBAL binlog_row_value_options = '', and let applications connect anew",
  );
  check(
    !settings.compressesTransactions,
    'binlog_transaction_compression is ON: whole transactions are compressed, and not read',
    'SET GLOBAL binlog_transaction_compression = OFF, and let applications connect anew',
  );
  return problems;
}

export interface LogHead extends LogPosition {
  /** Databases that are logged, or left out; empty: no filter. */
  readonly onlyDatabases: readonly string[];
  readonly ignoredDatabases: readonly string[];
}

/** Where the log ends now. Needs REPLICATION CLIENT (MariaDB: BINLOG MONITOR). null: there is none. */
export async function readLogHead(
  pool: Pick<MysqlPool, 'query'>,
  settings: Pick<LogSettings, 'product' | 'version'>,
): Promise<LogHead | null> {
  const isNew = settings.product === 'MySQL' && settings.version >= 80_200;
  const [row] = await pool.query(isNew ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS');
  const file = row?.['file'] ?? '';
  if (row === undefined || file === '') return null;
  const list = (text: string | null | undefined) => (text ?? '').split(',').filter((name) => name !== '');
  return {
    file,
    offset: Number(row['position']),
    created: 0,
    gtids: (row['executed_gtid_set'] ?? '').replaceAll(/\s/g, ''),
    onlyDatabases: list(row['binlog_do_db']),
    ignoredDatabases: list(row['binlog_ignore_db']),
  };
}

/** Files that are still there, with their sizes. null: this account may not ask. */
export async function readLogFiles(
  pool: Pick<MysqlPool, 'query'>,
): Promise<ReadonlyMap<string, number> | null> {
  try {
    const rows = await pool.query('SHOW BINARY LOGS');
    return new Map(rows.map((row) => [row['log_name'] ?? '', Number(row['file_size'])]));
  } catch (error) {
    const { errno } = error as { errno?: number };
    // Access denied; or no log at all.
    if (errno === 1227) return null;
    if (errno === 1381) return new Map();
    throw error;
  }
}
