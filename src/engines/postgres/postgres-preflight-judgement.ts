/** From facts to checks; pure. Each problem is a finding whose remedy can be pasted. */
import type { Finding, Severity } from '../../model/finding.js';
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import { sameLocale, showLocale, type TextRules } from '../../model/text-rules.js';
import type { PreflightCheck, PreflightRequest } from '../engine.js';
import type { RelationFacts, ServerFacts, SlotFacts, TransactionFacts } from './postgres-preflight-facts.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';
import { createLike } from './postgres-text-rules.js';

export interface JudgementScope {
  readonly service?: string;
}

const OLDEST = 130_000;
const MEGABYTE = 1024 ** 2;
const GIGABYTE = 1024 ** 3;

function ok(name: string, detail: string): PreflightCheck {
  return { name, outcome: 'ok', detail };
}

function problem(
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

/** Rows are compared byte by byte, and have to go back: what one side can hold the other must hold too, and it should sort it alike. */
export function assessText(
  own: TextRules,
  { role, otherText }: Pick<PreflightRequest, 'role' | 'otherText'>,
  server: Pick<ServerFacts, 'database'>,
  scope: JudgementScope,
): readonly PreflightCheck[] {
  const { encoding } = own;
  const subject = `database ${server.database}`;
  const anew = (other: TextRules) => `make the database anew: ${createLike(server.database, other)};`;
  if (encoding === 'SQL_ASCII' && otherText !== undefined)
    return [
      problem('encoding', scope, {
        code: 'RPL112',
        subject,
        message: `the encoding of ${server.database} is SQL_ASCII: nobody knows what its bytes mean, and some may be no text at all`,
        remedy:
          role === 'source'
            ? 'bring the database to the encoding that its applications write: pg_dump, iconv where needed, and restore into a database made with ENCODING'
            : anew(otherText),
      }),
    ];
  if (role === 'source' || otherText === undefined) return [ok('encoding', encoding)];
  if (otherText.encoding !== encoding)
    return [
      problem('encoding', scope, {
        code: 'RPL111',
        subject,
        message: `the encoding of ${server.database} is ${encoding}, that of the shared database ${otherText.encoding}`,
        remedy: anew(otherText),
      }),
    ];
  const { locale } = otherText;
  if (own.locale === null || locale === null || sameLocale(own.locale, locale))
    return [ok('encoding', encoding)];
  return [
    ok('encoding', encoding),
    problem('locale', scope, {
      code: 'RPL113',
      severity: 'warning',
      subject,
      message: `texts in ${server.database} sort and change case by ${showLocale(own.locale)}, in the shared database by ${showLocale(locale)}`,
      remedy: anew(otherText),
    }),
  ];
}

export function assessServer(server: ServerFacts, scope: JudgementScope): PreflightCheck[] {
  const checks: PreflightCheck[] = [];
  const role = quoteIdentifier(server.role);
  checks.push(
    server.version < OLDEST
      ? problem('version', scope, {
          code: 'RPL110',
          subject: server.product,
          message: `${server.product} is older than what dbps is tested on`,
          remedy: 'upgrade the server to PostgreSQL 13 or later',
        })
      : ok('version', server.product),
  );
  if (server.isInRecovery) {
    checks.push(
      problem('primary', scope, {
        code: 'RPL107',
        subject: server.database,
        message: 'the server is a replica: it is in recovery and takes no writes',
        remedy: 'name the primary in dbps.yaml',
      }),
    );
    return checks;
  }
  checks.push(
    server.mayCreate
      ? ok('create privilege', `on database ${server.database}`)
      : problem('create privilege', scope, {
          code: 'SEC203',
          subject: `database ${server.database}`,
          message: `role ${server.role} may not create a schema or a publication in ${server.database}`,
          remedy: `GRANT CREATE ON DATABASE ${quoteIdentifier(server.database)} TO ${role};`,
        }),
  );
  return checks;
}

/** What reading the server's log takes. */
export function assessLog(
  server: ServerFacts,
  slots: readonly SlotFacts[],
  scope: JudgementScope,
): PreflightCheck[] {
  if (server.isInRecovery) return [];
  const checks: PreflightCheck[] = [];
  const role = quoteIdentifier(server.role);
  checks.push(
    server.walLevel === 'logical'
      ? ok('wal_level', 'logical')
      : problem('wal_level', scope, {
          code: 'RPL101',
          subject: 'wal_level',
          message: `wal_level is "${server.walLevel}"`,
          remedy: 'ALTER SYSTEM SET wal_level = logical; restart needed',
          data: { walLevel: server.walLevel },
        }),
  );
  checks.push(
    slots.length < server.maxSlots
      ? ok('replication slots', `${server.maxSlots - slots.length} of ${server.maxSlots} free`)
      : problem('replication slots', scope, {
          code: 'RPL102',
          subject: 'max_replication_slots',
          message: `${slots.length} of ${server.maxSlots} replication slots are taken`,
          remedy: `ALTER SYSTEM SET max_replication_slots = ${server.maxSlots + 10}; restart needed`,
          data: { slots: slots.length, maxSlots: server.maxSlots },
        }),
    server.senders < server.maxSenders
      ? ok('log senders', `${server.maxSenders - server.senders} of ${server.maxSenders} free`)
      : problem('log senders', scope, {
          code: 'RPL103',
          subject: 'max_wal_senders',
          message: `${server.senders} of ${server.maxSenders} log senders are in use`,
          remedy: `ALTER SYSTEM SET max_wal_senders = ${server.maxSenders + 10}; restart needed`,
        }),
  );
  checks.push(
    server.mayReplicate
      ? ok('replication privilege', `role ${server.role}`)
      : problem('replication privilege', scope, {
          code: 'SEC204',
          subject: `role ${server.role}`,
          message: `role ${server.role} may not replicate`,
          remedy: `ALTER ROLE ${role} REPLICATION;`,
        }),
  );
  return checks;
}

/** @param walBudgetBytes what the configuration lets a slot hold back; null where it is not known. */
export function assessLogBudget(
  server: ServerFacts,
  walBudgetBytes: number | null,
  scope: JudgementScope,
): PreflightCheck {
  const megabytes = server.slotKeepMegabytes;
  if (megabytes === null || megabytes < 0) return ok('log kept for slots', 'unbounded by the server');
  const wanted = walBudgetBytes ?? GIGABYTE;
  if (megabytes * MEGABYTE >= wanted) return ok('log kept for slots', `at most ${megabytes} MB`);
  return problem('log kept for slots', scope, {
    code: 'RPL104',
    severity: 'warning',
    subject: 'max_slot_wal_keep_size',
    message: `the server drops log beyond ${megabytes} MB even if dbps still needs it`,
    remedy: `ALTER SYSTEM SET max_slot_wal_keep_size = '${Math.ceil(wanted / MEGABYTE)}MB'; SELECT pg_reload_conf();`,
    data: { keepBytes: megabytes * MEGABYTE, walBudgetBytes },
  });
}

const ALARMING_RETENTION = GIGABYTE;

export function assessSlots(
  slots: readonly SlotFacts[],
  database: string,
  scope: JudgementScope,
): PreflightCheck[] {
  return slots
    .filter((slot) => !slot.isActive && (slot.retainedBytes ?? 0) >= ALARMING_RETENTION)
    .map((slot) => {
      const isOwn = slot.name.startsWith('dbps_') && slot.database === database;
      return problem('inactive slots', scope, {
        code: 'RPL301',
        severity: 'warning',
        subject: `slot ${slot.name}`,
        message: `slot ${slot.name} is inactive and keeps ${((slot.retainedBytes ?? 0) / GIGABYTE).toFixed(1)} GB of log`,
        remedy: isOwn
          ? 'dbps run; or dbps doctor --fix if it belongs to nothing'
          : `SELECT pg_drop_replication_slot('${slot.name}'); if nobody needs it`,
        data: { slot: slot.name, retainedBytes: slot.retainedBytes },
      });
    });
}

export function assessRelations(
  relations: readonly RelationFacts[],
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck[] {
  const problems: PreflightCheck[] = [];
  const role = quoteIdentifier(server.role);
  for (const { id, found } of relations) {
    const about = { subject: id, relation: id };
    if (found === null) {
      problems.push({
        name: 'relations',
        outcome: 'unknown',
        detail: `${id} is not there, or role ${server.role} may not see it`,
      });
      continue;
    }
    const name = quoteRelation(id);
    if (!found.mayRead)
      problems.push(
        problem('read privilege', scope, {
          ...about,
          code: 'SEC201',
          message: `role ${server.role} may not read ${id}`,
          remedy: `GRANT SELECT ON ${name} TO ${role};`,
        }),
      );
    if (!found.isOwner && !server.isSuperuser)
      problems.push(
        problem('ownership', scope, {
          ...about,
          code: 'SEC202',
          message: `${id} belongs to ${found.owner}; publishing and fencing it needs that role`,
          remedy: found.ownerIsSuperuser
            ? `ALTER TABLE ${name} OWNER TO ${role};`
            : `GRANT ${quoteIdentifier(found.owner)} TO ${role};`,
        }),
      );
    if (found.rowSecurity && !server.mayBypassRowSecurity && (!found.isOwner || found.forcesRowSecurity))
      problems.push(
        problem('row security', scope, {
          ...about,
          code: 'SEC205',
          message: `row security on ${id} hides rows from role ${server.role}`,
          remedy: `ALTER ROLE ${role} BYPASSRLS;`,
        }),
      );
    const key = assessKey(id, found);
    if (key !== null) problems.push(problem('row identity', scope, { ...about, ...key }));
  }
  if (problems.length > 0) return problems;
  const n = relations.length;
  return [ok('relations', `${n} of ${n} readable, owned, and with a key that identifies their rows`)];
}

/** A row's key: the immediate, valid, whole unique index on NOT NULL columns that identifies it in the log. */
function assessKey(
  id: string,
  found: NonNullable<RelationFacts['found']>,
): Pick<Finding, 'code' | 'message' | 'remedy'> | null {
  const name = quoteRelation(id);
  if (!found.isPersistent)
    return {
      code: 'RPL201',
      message: `${id} is not logged, so its changes cannot be captured`,
      remedy: `ALTER TABLE ${name} SET LOGGED;`,
    };
  if (found.identity === 'index' && found.hasIdentityIndex) return null;
  if ((found.identity === 'default' || found.identity === 'full') && found.hasImmediatePrimaryKey)
    return null;
  return {
    code: 'RPL201',
    message: `${id} has no key that identifies a row in the log (replica identity "${found.identity}")`,
    remedy: keyRemedy(id, found),
  };
}

/**
 * Statements that can be run as they stand. Where no columns tell the rows apart (a log that is only appended to), a numbered column does: last in
 * the table and filled by the server, so that an INSERT that names no columns goes on as before.
 */
function keyRemedy(id: RelationId, found: NonNullable<RelationFacts['found']>): string {
  const name = quoteRelation(id);
  const columns = (names: readonly string[]) => names.map(quoteIdentifier).join(', ');
  if (found.identity === 'nothing' && found.hasImmediatePrimaryKey)
    return `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`;
  if (found.candidate !== null)
    return `ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${quoteIdentifier(found.candidate)};`;
  if (found.deferrableKey !== null) {
    const index = quoteIdentifier(`${parseRelationId(id).name.slice(0, 50)}_row_key`);
    return `CREATE UNIQUE INDEX ${index} ON ${name} (${columns(found.deferrableKey)}); ALTER TABLE ${name} REPLICA IDENTITY USING INDEX ${index};`;
  }
  const own = '-- or ADD PRIMARY KEY over columns of its own that tell its rows apart, not deferrable';
  // FULL does with a primary key; what names an index that is gone, or nothing, does not.
  const identity = (table: string) =>
    found.identity === 'nothing' || found.identity === 'index'
      ? ` ALTER TABLE ${table} REPLICA IDENTITY DEFAULT;`
      : '';
  if (found.partitionOf === null)
    return `ALTER TABLE ${name} ADD COLUMN row_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY;${identity(name)} ${own}`;
  const { root, columns: parted } = found.partitionOf;
  if (parted === null)
    return `-- ${root} is parted by an expression, so the whole of it can have no key: give each partition one (ALTER TABLE ${name} ADD PRIMARY KEY over its columns), or leave ${root} out with source.exclude`;
  const { schema, name: rootName } = parseRelationId(root);
  const sequence = quoteRelation(relationId(schema, `${rootName.slice(0, 50)}_row_id`));
  // Identity columns of partitioned tables come with PostgreSQL 17.
  return `CREATE SEQUENCE ${sequence}; ALTER TABLE ${quoteRelation(root)} ADD COLUMN row_id bigint NOT NULL DEFAULT nextval('${sequence.replaceAll("'", "''")}'), ADD PRIMARY KEY (row_id, ${columns(parted)});${identity(name)} ${own}`;
}

/** Triggers capture whatever an ordinary session writes, TRUNCATE and cascades too; not what is written as a replica. */
export function assessTriggerCapture(
  subscriptions: readonly string[],
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck {
  if (subscriptions.length === 0)
    return ok(
      'capture by triggers',
      'TRUNCATE and cascades are captured; sessions that work as a replica are not',
    );
  return problem('capture by triggers', scope, {
    code: 'TRG315',
    severity: 'warning',
    subject: `subscriptions of ${server.database}`,
    message: `what ${subscriptions.join(', ')} ${subscriptions.length === 1 ? 'brings' : 'bring'} in is written as a replica, which fires no trigger: it is not captured`,
    remedy: `migration.capture: log, or end the subscription before the move where it writes to relations that move: ALTER SUBSCRIPTION ${subscriptions.map(quoteIdentifier).join(', ')} DISABLE;`,
  });
}

export function assessTransactions(facts: TransactionFacts, scope: JudgementScope): PreflightCheck[] {
  const problems = [
    ...facts.prepared.map((prepared) =>
      problem('prepared transactions', scope, {
        code: 'RPL109',
        subject: `prepared transaction ${prepared.gid}`,
        message: `a prepared transaction is open since ${prepared.since}`,
        remedy: `ROLLBACK PREPARED '${prepared.gid.replaceAll("'", "''")}'; or COMMIT PREPARED, as its coordinator says`,
      }),
    ),
    ...facts.long.map((long) =>
      problem('long transactions', scope, {
        code: 'RPL108',
        severity: 'warning',
        subject: `session ${long.pid}`,
        message: `session ${long.pid} of ${long.user} has had a transaction open for ${Math.round(long.ageMs / 60_000)} minutes`,
        remedy: `let it end, or SELECT pg_terminate_backend(${long.pid});`,
        data: { pid: long.pid, ageMs: Math.round(long.ageMs) },
      }),
    ),
  ];
  return problems.length > 0
    ? problems
    : [ok('open transactions', 'none older than a minute, none prepared')];
}

export function assessPooler(backends: readonly number[], scope: JudgementScope): PreflightCheck {
  if (backends.length === 1) return ok('direct connection', 'one server session');
  return problem('direct connection', scope, {
    code: 'RPL106',
    subject: 'connection',
    message: `statements of one session ran in server sessions ${backends.join(' and ')}: a pooler is in the way`,
    remedy: 'give the server’s own host and port in dbps.yaml',
  });
}

export function assessReplicaRole(
  refusal: string | null,
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck {
  if (refusal === null) return ok('replica role', 'session_replication_role may be set');
  return problem('replica role', scope, {
    code: 'SEC206',
    severity: 'note',
    subject: `role ${server.role}`,
    message: `${refusal}; triggers and foreign keys stay off on the side that does not own the writes`,
    remedy: `GRANT SET ON PARAMETER session_replication_role TO ${quoteIdentifier(server.role)};`,
  });
}

/** A rule acts on what an applier writes, and INSERT … ON CONFLICT is refused on its table: only as a replica is neither so. */
export function assessRules(
  ruled: readonly RelationId[],
  refusal: string | null,
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck[] {
  if (ruled.length === 0) return [];
  if (refusal === null)
    return [ok('rules', `rows are applied as a replica: rules of ${ruled.join(', ')} do not act`)];
  return ruled.map((id) =>
    problem('rules', scope, {
      code: 'TRG302',
      subject: id,
      relation: id,
      message: `${id} has rules, so rows can be applied to it as a replica only; ${refusal}`,
      remedy: `GRANT SET ON PARAMETER session_replication_role TO ${quoteIdentifier(server.role)}; as a superuser of ${server.database}'s server (PostgreSQL 15 and later), or replace the rules by triggers`,
    }),
  );
}

export function assessReplicationConnection(
  error: Error | null,
  server: ServerFacts,
  scope: JudgementScope,
): PreflightCheck {
  if (error === null) return ok('replication connection', 'opened');
  return problem('replication connection', scope, {
    code: 'RPL105',
    subject: `role ${server.role}`,
    message: `a replication connection is refused: ${error.message}`,
    remedy: 'give a direct URL, not one through a pooler, and a pg_hba.conf line for this role and database',
  });
}
