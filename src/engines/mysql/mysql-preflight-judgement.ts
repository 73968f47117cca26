/** From facts about the server to checks; pure. Each problem is a finding that says the setting, whether a restart is needed, and what to type. */
import type { Finding, Severity } from '../../model/finding.js';
import type { CaptureMethod, PreflightCheck, PreflightRequest } from '../engine.js';
import type { ConnectionFacts, ServerFacts, TransactionFacts } from './mysql-preflight-facts.js';

export interface JudgementScope {
  readonly service?: string;
}

export function ok(name: string, detail: string): PreflightCheck {
  return { name, outcome: 'ok', detail };
}

export function problem(
  name: string,
  scope: JudgementScope,
  finding: Omit<Finding, 'severity' | 'service'> & { readonly severity?: Severity },
): PreflightCheck {
  return {
    name,
    // A note is good to know; it stands in nobody's way.
    outcome: finding.severity === 'note' ? 'ok' : 'problem',
    detail: finding.message,
    finding: {
      severity: 'error',
      ...finding,
      ...(scope.service !== undefined && { service: scope.service }),
    },
  };
}

const OLDEST = { MySQL: 80_000, MariaDB: 100_500 } as const;
const MEGABYTE = 1024 ** 2;

/** Sessions keep the value that they began with. */
const REMEMBER = 'write it into the server’s configuration too, and let applications connect anew';

/** The way for a server that cannot be restarted, or whose log is somebody else's. */
const WITHOUT_LOG =
  'Or without the log, at the price of a second write for each: capture: trigger, under migration: in dbps.yaml; no restart';

interface Rule {
  readonly name: string;
  readonly setting: string;
  /** Asked only where changes are read from the log. */
  readonly isOfLog?: true;
  /** null: all is well. `value` is undefined where the server does not know the setting. */
  readonly judge: (
    value: string | undefined,
    server: ServerFacts,
  ) =>
    | (Omit<Finding, 'severity' | 'subject'> & {
        readonly severity?: Severity;
      })
    | null;
}

const isOn = (value: string | undefined): boolean => /^(?:ON|1|YES)$/i.test(value ?? '');
const hasLog = (server: ServerFacts): boolean => isOn(server.settings.get('log_bin'));

/** What the log must hold, and what else a fence and a copy depend on. */
const RULES: readonly Rule[] = [
  {
    name: 'binary log',
    setting: 'log_bin',
    isOfLog: true,
    judge: (value) =>
      isOn(value)
        ? null
        : {
            code: 'RPL120',
            message: 'the server writes no binary log: log_bin is OFF',
            remedy:
              'in the server’s configuration, under [mysqld]: log_bin = binlog, binlog_format = ROW, server_id = 1; restart needed. Managed services turn it on with backups (Amazon RDS: a backup retention above 0)',
          },
  },
  {
    name: 'binlog_format',
    setting: 'binlog_format',
    isOfLog: true,
    judge: (value, server) =>
      !hasLog(server) || value === undefined || value === 'ROW'
        ? null
        : {
            code: 'RPL121',
            message: `binlog_format is ${value}: the log has statements, not rows`,
            remedy: `SET GLOBAL binlog_format = 'ROW'; no restart; ${REMEMBER}`,
          },
  },
  {
    name: 'binlog_row_image',
    setting: 'binlog_row_image',
    isOfLog: true,
    judge: (value, server) =>
      !hasLog(server) || value === undefined || value === 'FULL'
        ? null
        : {
            code: 'RPL122',
            message: `binlog_row_image is ${value}: rows are logged in part`,
            remedy: `SET GLOBAL binlog_row_image = 'FULL'; no restart; ${REMEMBER}`,
          },
  },
  {
    name: 'partial JSON',
    setting: 'binlog_row_value_options',
    isOfLog: true,
    judge: (value) =>
      (value ?? '') === ''
        ? null
        : {
            code: 'RPL123',
            message: `binlog_row_value_options is ${value ?? ''}: changes of JSON are logged as differences`,
            remedy: `SET GLOBAL binlog_row_value_options = ''; no restart; ${REMEMBER}`,
          },
  },
  {
    // MariaDB compresses events one by one (log_bin_compress): those are read.
    name: 'log compression',
    setting: 'binlog_transaction_compression',
    isOfLog: true,
    judge: (value) =>
      isOn(value)
        ? {
            code: 'RPL124',
            message:
              'binlog_transaction_compression is ON: whole transactions are compressed in the log, and cannot be read',
            remedy: `SET GLOBAL binlog_transaction_compression = OFF; no restart; ${REMEMBER}`,
          }
        : null,
  },
  {
    name: 'server_id',
    setting: 'server_id',
    isOfLog: true,
    judge: (value, server) =>
      hasLog(server) && value === '0'
        ? {
            code: 'RPL125',
            message: 'server_id is 0: the server hands its log to nobody',
            remedy:
              'SET GLOBAL server_id = 1; (a number that no replica has); no restart; write it into the configuration too',
          }
        : null,
  },
  {
    name: 'global transaction ids',
    setting: 'gtid_mode',
    isOfLog: true,
    judge: (value) =>
      value === undefined || /^ON/.test(value)
        ? null
        : {
            code: 'RPL126',
            severity: 'note',
            message: `gtid_mode is ${value}: positions are files and offsets, which another server does not know`,
            remedy:
              'works as it is; to go on after a failover: gtid_mode = ON, step by step (OFF_PERMISSIVE, ON_PERMISSIVE, ON), no restart',
          },
  },
  {
    name: 'log retention',
    setting: 'binlog_expire_logs_seconds',
    isOfLog: true,
    judge: (value, server) => {
      const days = Number(server.settings.get('expire_logs_days') ?? 0);
      const seconds = Number(value ?? 0) || days * 86_400;
      if (!hasLog(server) || seconds === 0 || seconds >= 2 * 86_400) return null;
      return {
        code: 'RPL127',
        severity: 'warning',
        message: `the log is kept for ${(seconds / 3600).toFixed(seconds < 36_000 ? 1 : 0)} hours: when dbps is stopped for longer, the relations are copied again`,
        remedy:
          value === undefined
            ? 'SET GLOBAL expire_logs_days = 7; no restart; write it into the configuration too'
            : "SET GLOBAL binlog_expire_logs_seconds = 604800; no restart. Amazon RDS: CALL mysql.rds_set_configuration('binlog retention hours', 168);",
        data: { seconds },
      };
    },
  },
  {
    name: 'max_allowed_packet',
    setting: 'max_allowed_packet',
    judge: (value) =>
      value === undefined || Number(value) >= 16 * MEGABYTE
        ? null
        : {
            code: 'RPL129',
            severity: 'warning',
            message: `max_allowed_packet is ${Math.round(Number(value) / MEGABYTE)} MB: larger rows can be neither read nor written in one piece`,
            remedy:
              'SET GLOBAL max_allowed_packet = 67108864; no restart, for new sessions; write it into the configuration too',
          },
  },
  {
    name: 'innodb_lock_wait_timeout',
    setting: 'innodb_lock_wait_timeout',
    judge: (value) =>
      value === undefined || Number(value) >= 15
        ? null
        : {
            code: 'RPL130',
            severity: 'warning',
            message: `innodb_lock_wait_timeout is ${value} s: writers that a cutover holds for longer get an error instead of waiting`,
            remedy:
              'SET GLOBAL innodb_lock_wait_timeout = 50; no restart, for new sessions; or keep gates.writeCutover.fenceTimeout below it',
          },
  },
];

export function assessServer(
  server: ServerFacts,
  role: 'source' | 'target',
  scope: JudgementScope,
  capture: CaptureMethod = 'log',
): PreflightCheck[] {
  const name = `${server.product} ${/\d+\.\d+\.\d+/.exec(server.versionText.replace(/^5\.5\.5-/, ''))?.[0] ?? server.versionText}`;
  const checks: PreflightCheck[] = [
    server.version < OLDEST[server.product]
      ? problem('version', scope, {
          code: 'RPL110',
          subject: name,
          message: `${name} is older than what dbps is tested on`,
          remedy: 'upgrade the server to MySQL 8.0 or MariaDB 10.5, or later',
        })
      : ok('version', name),
  ];
  if (isOn(server.settings.get('read_only')) || isOn(server.settings.get('super_read_only')))
    return [
      ...checks,
      problem('primary', scope, {
        code: 'RPL107',
        subject: server.database,
        message: 'the server takes no writes: read_only is ON',
        remedy: 'name the primary in dbps.yaml',
      }),
    ];
  for (const rule of RULES) {
    if (rule.isOfLog && capture === 'trigger') continue;
    const value = server.settings.get(rule.setting);
    const found = rule.judge(value, server);
    if (found !== null)
      checks.push(
        problem(rule.name, scope, {
          subject: rule.setting,
          ...found,
          // A note or a warning stands in nobody's way.
          ...(rule.isOfLog === true &&
            (found.severity ?? 'error') === 'error' && { remedy: `${found.remedy ?? ''}. ${WITHOUT_LOG}` }),
        }),
      );
    else if (value !== undefined) checks.push(ok(rule.name, `${rule.setting} = ${value}`));
  }
  checks.push(assessWriters(server, scope));
  if (role === 'target' && server.settings.get('local_infile') === 'OFF')
    checks.push(
      problem('local_infile', scope, {
        code: 'RPL131',
        severity: 'note',
        subject: 'local_infile',
        message: 'local_infile is OFF: rows are copied by INSERT, which is slower than LOAD DATA',
        remedy: 'SET GLOBAL local_infile = ON; no restart; not necessary',
      }),
    );
  return checks;
}

function assessWriters(server: ServerFacts, scope: JudgementScope): PreflightCheck {
  if (server.writers === 1) return ok('single writer', 'no other node takes writes');
  return problem('single writer', scope, {
    code: 'RPL132',
    subject: server.database,
    message: `${server.writers} nodes of a cluster take writes: a lock on one of them makes nobody on the others wait`,
    remedy:
      'send all writes to one node for the time of the migration (Galera: one address in the load balancer; group replication: SELECT group_replication_switch_to_single_primary_mode();), and name that node in dbps.yaml',
  });
}

/** Texts of another engine are compared as UTF-8, and have to go back. */
export function assessOtherEncoding(
  { role, otherText }: Pick<PreflightRequest, 'role' | 'otherText'>,
  scope: JudgementScope,
): readonly PreflightCheck[] {
  const otherEncoding = otherText?.encoding ?? 'UTF8';
  if (role === 'source' || otherEncoding === 'UTF8') return [];
  return [
    problem('encoding', scope, {
      code: 'RPL111',
      subject: 'the shared database',
      message: `the encoding of the shared database is ${otherEncoding}; across engines texts are compared as UTF-8`,
      remedy:
        'bring the shared database to UTF-8 first: pg_dump, and restore into a database made with ENCODING UTF8',
    }),
  ];
}

export function assessDigests(missing: string | null, scope: JudgementScope): PreflightCheck {
  if (missing === null) return ok('digests', 'MD5 and SHA1 are there');
  return problem('digests', scope, {
    code: 'VRF310',
    subject: 'MD5 and SHA1',
    message: `rows cannot be hashed for verification: ${missing}`,
    remedy: "INSTALL COMPONENT 'file://component_classic_hashing'; no restart",
  });
}

/** Creating a trigger with the log on. `maySuper`: this account may anyway. */
export function assessTriggerCreation(
  server: ServerFacts,
  maySuper: boolean,
  scope: JudgementScope,
): PreflightCheck {
  const isTrusted = isOn(server.settings.get('log_bin_trust_function_creators'));
  if (!hasLog(server) || isTrusted || maySuper) return ok('triggers', 'may be created');
  return problem('triggers', scope, {
    code: 'RPL128',
    subject: 'log_bin_trust_function_creators',
    message:
      'with the binary log on, only an account with SUPER may create triggers: log_bin_trust_function_creators is OFF (error 1419)',
    remedy:
      'SET GLOBAL log_bin_trust_function_creators = ON; no restart; write it into the configuration too. Managed services: a parameter of that name',
  });
}

export function assessConnection(
  facts: ConnectionFacts,
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck {
  const comment = `${server.versionText} ${server.settings.get('version_comment') ?? ''}`;
  const said = /proxysql|maxscale|proxy/i.exec(comment)?.[0];
  const isOne = facts.ran.length === 1 && (facts.greeted === null || facts.greeted === facts.ran[0]);
  if (said === undefined && isOne) return ok('direct connection', 'one server session');
  return problem('direct connection', scope, {
    code: 'RPL106',
    subject: 'connection',
    message:
      said === undefined
        ? `the session was greeted as connection ${facts.greeted ?? '?'} and its statements ran in ${facts.ran.join(' and ')}: a proxy is in the way`
        : `${said} answers instead of the server`,
    remedy: 'give the server’s own host and port in dbps.yaml; applications may go on through the proxy',
  });
}

export function assessTransactions(facts: TransactionFacts, scope: JudgementScope): PreflightCheck[] {
  const problems = [
    ...(facts.prepared ?? []).map((id) =>
      problem('prepared transactions', scope, {
        code: 'RPL109',
        subject: `prepared transaction ${id}`,
        message: `a prepared transaction is open: ${id}`,
        remedy: 'XA RECOVER; lists them; XA COMMIT or XA ROLLBACK each, whichever its coordinator says',
      }),
    ),
    ...facts.long.map((long) =>
      problem('long transactions', scope, {
        code: 'RPL108',
        severity: 'warning',
        subject: `connection ${long.id}`,
        message: `connection ${long.id} of ${long.user} has had a transaction open for ${Math.round(long.ageMs / 60_000)} minutes`,
        remedy: `let it end, or KILL ${long.id};`,
        data: { id: long.id, ageMs: long.ageMs },
      }),
    ),
  ];
  if (problems.length > 0) return problems;
  return facts.prepared === null
    ? [
        {
          name: 'prepared transactions',
          outcome: 'unknown',
          detail: 'XA RECOVER takes the privilege XA_RECOVER_ADMIN, and the list of transactions PROCESS',
        },
        ok('open transactions', 'none older than a minute'),
      ]
    : [ok('open transactions', 'none older than a minute, none prepared')];
}
