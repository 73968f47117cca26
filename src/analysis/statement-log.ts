/**
 * Statements out of a server's log: PostgreSQL (stderr with a log_line_prefix that holds the process, csvlog), MySQL's general and
 * slow logs, or plain SQL with a semicolon at the end of each statement. Sessions are kept apart, so that transactions can be put together.
 */
export interface LoggedStatement {
  readonly sql: string;
  /** Process or connection; undefined where the log does not say. */
  readonly session?: string;
  readonly user?: string;
  readonly ms?: number;
}

const POSTGRES =
  /^(.*?)(?:LOG|STATEMENT):\s+(?:duration: ([\d.]+) ms\s+)?(?:statement|execute [^:]+|parse [^:]+): (.*)$/;
const POSTGRES_NOISE = /^(.*?)(?:LOG|ERROR|FATAL|WARNING|DETAIL|HINT|CONTEXT|NOTICE|STATEMENT):\s/;
const MYSQL_GENERAL =
  /^(?:\d{6} +[\d:]+|\d{4}-\d\d-\d\dT\S+)?\s+(\d+) (Query|Execute|Connect|Quit|Init DB|Prepare|Field List|Statistics|Ping)\t?(.*)$/;
const MYSQL_SLOW_USER = /^# User@Host: (\S+?)\[.*?Id:\s*(\d+)/;
const MYSQL_SLOW_TIME = /^# Query_time: ([\d.]+)/;

export async function* readStatementLog(pieces: AsyncIterable<string>): AsyncGenerator<LoggedStatement> {
  const log = new StatementLog();
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield* log.line(line.replace(/\r$/, ''));
  }
  if (rest !== '') yield* log.line(rest);
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
      this.open = {
        sql: postgres[3] ?? '',
        ...(session === undefined ? {} : { session }),
        ...(user === undefined ? {} : { user }),
        ...(postgres[2] === undefined ? {} : { ms: Number(postgres[2]) }),
      };
      return;
    }
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
    const time = MYSQL_SLOW_TIME.exec(line);
    if (user !== null || time !== null) {
      this.kind = 'slow';
      yield* this.flush();
      if (user !== null) this.slow = { user: user[1] as string, session: user[2] as string };
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
