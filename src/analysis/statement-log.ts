/**
 * Statements out of a server's log: PostgreSQL (stderr with a log_line_prefix that holds the process, csvlog, jsonlog), MySQL's general and
 * slow logs, or plain SQL with a semicolon at the end of each statement. Sessions are kept apart, so that transactions can be put together.
 */
import { Readable } from 'node:stream';
import csv from 'csv-parser';

export interface LoggedStatement {
  readonly sql: string;
  /** Process or connection; undefined where the log does not say. */
  readonly session?: string;
  readonly user?: string;
  readonly ms?: number;
}

/** As PostgreSQL words it, in whatever form the log is written. What is parsed or bound alone was not carried out. */
const CARRIED_OUT = /^(?:duration: ([\d.]+) ms\s+)?(?:statement|execute [^:]+): ([\s\S]*)$/;
const POSTGRES = /^(.*?)LOG:\s+((?:duration: [\d.]+ ms\s+)?(?:statement|execute [^:]+): .*)$/;
const POSTGRES_NOISE = /^(.*?)(?:LOG|ERROR|FATAL|WARNING|DETAIL|HINT|CONTEXT|NOTICE|STATEMENT):\s/;
const MYSQL_GENERAL =
  /^(?:\d{6} +[\d:]+|\d{4}-\d\d-\d\dT\S+)?\s+(\d+) (Query|Execute|Connect|Quit|Init DB|Prepare|Field List|Statistics|Ping)\t?(.*)$/;
/** What a server writes when it opens its log. */
const MYSQL_HEADER = /^(?:\S*(?:mysqld|mariadbd), Version: |Tcp port: |Time\s+Id Command|# Time: )/;
const MYSQL_SLOW_USER = /^# User@Host: (\S+?)\[.*?(?:Id:\s*(\d+)|$)/;
/** MariaDB's, on a line of its own. */
const MARIADB_SLOW_SESSION = /^# Thread_id: (\d+)/;
const MYSQL_SLOW_TIME = /^# Query_time: ([\d.]+)/;

export async function* readStatementLog(pieces: AsyncIterable<string>): AsyncGenerator<LoggedStatement> {
  const lines = linesOf(pieces);
  let first = await lines.next();
  while (first.done !== true && first.value.trim() === '') first = await lines.next();
  if (first.done === true) return;
  const all = (async function* () {
    yield first.value;
    yield* lines;
  })();
  if (isJsonLog(first.value)) yield* readJsonLog(all);
  else if (CSV_LOG.test(first.value)) yield* readCsvLog(all);
  else yield* readLines(all);
}

async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string, undefined> {
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}

function parsedLine(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const isJsonLog = (line: string): boolean => line.startsWith('{') && parsedLine(line) !== null;

/** PostgreSQL's jsonlog: an object a line. A line that was cut off is left out. */
async function* readJsonLog(lines: AsyncIterable<string>): AsyncGenerator<LoggedStatement> {
  for await (const line of lines) {
    const { error_severity, message, pid, user } = parsedLine(line) ?? {};
    if (error_severity !== 'LOG' || typeof message !== 'string') continue;
    yield* carriedOut(
      message,
      typeof pid === 'number' ? String(pid) : '',
      typeof user === 'string' ? user : '',
    );
  }
}

/** log_time, user_name, database_name, process_id. */
const CSV_LOG = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^,]*,(?:"(?:[^"]|"")*")?,(?:"(?:[^"]|"")*")?,\d*,/;
const CSV_USER = 1;
const CSV_PROCESS = 3;
const CSV_SEVERITY = 11;
const CSV_MESSAGE = 13;

/** PostgreSQL's csvlog: a record may go over several lines. */
async function* readCsvLog(lines: AsyncIterable<string>): AsyncGenerator<LoggedStatement> {
  const text = (async function* () {
    for await (const line of lines) yield `${line}\n`;
  })();
  const records = Readable.from(text).pipe(csv({ headers: false }));
  for await (const record of records as AsyncIterable<Readonly<Record<number, string>>>)
    if (record[CSV_SEVERITY] === 'LOG')
      yield* carriedOut(record[CSV_MESSAGE] ?? '', record[CSV_PROCESS] ?? '', record[CSV_USER] ?? '');
}

function* carriedOut(message: string, session: string, user: string): Generator<LoggedStatement> {
  const found = CARRIED_OUT.exec(message);
  const sql = found?.[2]?.trim() ?? '';
  if (sql === '') return;
  yield {
    sql,
    ...(session === '' ? {} : { session }),
    ...(user === '' ? {} : { user }),
    ...(found?.[1] === undefined ? {} : { ms: Number(found[1]) }),
  };
}

async function* readLines(lines: AsyncIterable<string>): AsyncGenerator<LoggedStatement> {
  const log = new StatementLog();
  for await (const line of lines) yield* log.line(line);
  yield* log.flush();
}

class StatementLog {
  private open: { sql: string; session?: string; user?: string; ms?: number } | null = null;
  private kind: 'unknown' | 'postgres' | 'general' | 'slow' | 'plain' = 'unknown';
  private slow: { session?: string; user?: string; ms?: number } = {};

  *flush(): Generator<LoggedStatement> {
    const { open } = this;
    this.open = null;
    if (open !== null && open.sql.trim() !== '') yield { ...open, sql: open.sql.trim() };
  }

  *line(line: string): Generator<LoggedStatement> {
    const postgres = POSTGRES.exec(line);
    if (postgres !== null) {
      this.kind = 'postgres';
      yield* this.flush();
      const prefix = postgres[1] ?? '';
      const session =
        /\[(\d+)(?:-\d+)?\]/.exec(prefix)?.[1] ??
        /\b(\d{3,7})\b(?!.*\b\d{3,7}\b)/.exec(
          prefix.replaceAll(/\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d(?:\.\d+)?/g, ''),
        )?.[1];
      const user = /\b(?:user=)?([A-Za-z_]\w*)@/.exec(prefix)?.[1];
      const [, ms, sql = ''] = CARRIED_OUT.exec(postgres[2] ?? '') ?? [];
      this.open = {
        sql,
        ...(session === undefined ? {} : { session }),
        ...(user === undefined ? {} : { user }),
        ...(ms === undefined ? {} : { ms: Number(ms) }),
      };
      return;
    }
    if (this.kind === 'unknown' && POSTGRES_NOISE.test(line)) this.kind = 'postgres';
    if (this.kind === 'unknown' && MYSQL_HEADER.test(line)) return;
    if (this.kind === 'postgres') {
      // A statement goes on in lines that begin with a tab; anything else with a severity ends it.
      if (POSTGRES_NOISE.test(line)) yield* this.flush();
      else if (this.open !== null) this.open.sql += `\n${line}`;
      return;
    }
    const general = MYSQL_GENERAL.exec(line);
    if (general !== null) {
      this.kind = 'general';
      yield* this.flush();
      if (general[2] === 'Query' || general[2] === 'Execute')
        this.open = { sql: general[3] ?? '', session: general[1] as string };
      return;
    }
    if (this.kind === 'general') {
      if (this.open !== null) this.open.sql += `\n${line}`;
      return;
    }
    yield* this.slowOrPlain(line);
  }

  private *slowOrPlain(line: string): Generator<LoggedStatement> {
    const user = MYSQL_SLOW_USER.exec(line);
    const session = MARIADB_SLOW_SESSION.exec(line)?.[1];
    if (session !== undefined && this.kind === 'slow') this.slow = { ...this.slow, session };
    const time = MYSQL_SLOW_TIME.exec(line);
    if (user !== null || time !== null) {
      this.kind = 'slow';
      yield* this.flush();
      if (user !== null)
        this.slow = { user: user[1] as string, ...(user[2] === undefined ? {} : { session: user[2] }) };
      if (time !== null) this.slow = { ...this.slow, ms: Number(time[1]) * 1000 };
      return;
    }
    if (this.kind === 'slow' && (line.startsWith('#') || /^(?:SET timestamp=|use )/i.test(line))) return;
    this.open ??= { sql: '', ...this.slow };
    this.open.sql += `${line}\n`;
    // Plain SQL is one session: what stands between BEGIN and COMMIT is a transaction.
    if (this.kind === 'unknown') this.kind = 'plain';
    if (this.kind === 'plain') this.open.session = 'script';
    if (/;\s*$/.test(line)) yield* this.flush();
  }
}
