/**
 * Arming: everything of a fence that takes DDL, done while nobody waits. The triggers (open, unless the row says otherwise), the user's own
 * triggers guarded against the applier, and of what an opening was to create all that may be there before: keys, views, routines. What is left
 * for the cutover is the update of one row.
 */
import type mysql from 'mysql2/promise';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { FenceOptions, Ownership } from '../engine.js';
import { openMysqlSession, queryable, type MysqlPool } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';
import {
  createFenceTrigger,
  FENCE_EVENTS,
  fenceBody,
  fenceTriggerName,
  guardBody,
  isFenceTrigger,
  readGuard,
  type FenceKey,
} from './mysql-fence-body.js';
import { forget, recall, remember, type RememberedTrigger } from './mysql-fence-memory.js';
import { DDL_SETTINGS, inSmallRetries } from './mysql-fence-retry.js';
import { ensureFenceRow } from './mysql-fence-row.js';
import {
  readExisting,
  readTables,
  readTriggers,
  requireFenceable,
  type TableTrigger,
} from './mysql-fence-tables.js';
import type { FenceSetup } from './mysql-fence.js';
import { withSessionSettings } from './mysql-session-settings.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export interface Arming {
  readonly pool: MysqlPool;
  readonly setup: FenceSetup;
  readonly owner: Ownership;
  readonly key: FenceKey;
  readonly applier: FenceOptions['applier'];
  readonly signal?: AbortSignal | undefined;
}

/** One session for DDL, with what that needs of settings. */
export async function withDdlSession<T>(
  setup: FenceSetup,
  work: (session: mysql.Connection) => Promise<T>,
): Promise<T> {
  const session = await openMysqlSession(setup.target, { applicationName: setup.applicationName });
  try {
    await session.query(DDL_SETTINGS);
    return await work(session);
  } finally {
    await session.end().catch(() => session.destroy());
  }
}

/** @returns what had to be done, in words; empty when all of it was there. */
export async function arm(arming: Arming, relations: readonly RelationId[]): Promise<string[]> {
  const { pool, owner, key } = arming;
  await pool.ownedTransaction(owner, (connection) => ensureFenceRow(connection, key));
  const { triggers, remembered } = await pool.use(async (connection) => {
    requireFenceable(await readTables(queryable(connection), relations));
    return {
      triggers: await readTriggers(queryable(connection), relations),
      remembered: await recall(connection, key, 'trigger'),
    };
  });
  const unguarded = triggers.filter(isUnguarded);
  // Before any is touched: the server drops before it creates, and a crash in between is mended from here.
  await pool.ownedTransaction(owner, (connection) =>
    remember(
      connection,
      key,
      unguarded.map((trigger) => ({ kind: 'trigger', subject: subjectOf(trigger), trigger })),
    ),
  );
  const todo = [
    ...relations.flatMap((relation) => missingFence(arming, relation, triggers)),
    ...unguarded.map((trigger) => guard(arming, trigger, triggers)),
    ...lostTriggers(remembered, relations, triggers).map((trigger) => guard(arming, trigger, triggers)),
  ];
  if (todo.length > 0)
    await withDdlSession(arming.setup, async (session) => {
      for (const { what, work } of todo)
        await inSmallRetries(pool, owner, what, () => work(session), { signal: arming.signal, session });
    });
  return todo.map(({ what }) => what);
}

interface Piece {
  readonly what: string;
  readonly work: (session: mysql.Connection) => Promise<void>;
}

function missingFence(arming: Arming, relation: RelationId, triggers: readonly TableTrigger[]): Piece[] {
  return FENCE_EVENTS.flatMap((event): Piece[] => {
    const name = fenceTriggerName(relation, event);
    const beside = triggers.filter(
      (t) => t.relation === relation && t.event === event && t.timing === 'BEFORE',
    );
    const found = beside.find((trigger) => trigger.name === name);
    if (found !== undefined && found.body === fenceBody(arming.key, arming.applier) && beside[0] === found)
      return [];
    const first = beside.find((trigger) => trigger.name !== name);
    const create = createFenceTrigger(arming.key, arming.applier, relation, event, first?.name ?? null);
    return [
      {
        what: `the fence on ${relation} (${event.toLowerCase()})`,
        work: (session) =>
          found === undefined
            ? createTrigger(session, create)
            : replaceTrigger(session, relation, quoteRelation(relationId(found.schema, name)), create),
      },
    ];
  });
}

const isUnguarded = (trigger: TableTrigger): boolean =>
  !isFenceTrigger(trigger.name) && readGuard(trigger.body) === null;

const subjectOf = (trigger: Pick<RememberedTrigger, 'schema' | 'name'>): string =>
  relationId(trigger.schema, trigger.name);

/** Remembered, and not there: dropped by a replacement that never came to create. */
export function lostTriggers(
  remembered: readonly { readonly trigger: RememberedTrigger }[],
  relations: readonly RelationId[],
  triggers: readonly Pick<TableTrigger, 'schema' | 'name'>[],
): RememberedTrigger[] {
  const there = new Set(triggers.map(subjectOf));
  return remembered
    .map(({ trigger }) => trigger)
    .filter((trigger) => relations.includes(trigger.relation) && !there.has(subjectOf(trigger)));
}

/** In place of the user's own, with its definer, modes and place among the others. */
function guard(arming: Arming, trigger: RememberedTrigger, all: readonly TableTrigger[]): Piece {
  const body = guardBody(arming.key, arming.applier, trigger.body);
  return {
    what: `guarding trigger ${trigger.name} of ${trigger.relation}`,
    work: (session) =>
      withSettingsOf(session, trigger, () =>
        replaceTrigger(
          session,
          trigger.relation,
          quoteRelation(subjectOf(trigger)),
          createUserTrigger({ ...trigger, body }, placeOf(trigger, all)),
        ),
      ),
  };
}

/** `FOLLOWS` the one that fires before it; `PRECEDES` the next where there is none. */
export function placeOf(trigger: RememberedTrigger, all: readonly TableTrigger[]): string {
  const group = all.filter(
    (t) => t.relation === trigger.relation && t.timing === trigger.timing && t.event === trigger.event,
  );
  const at = group.findIndex((t) => t.name === trigger.name);
  const before = at < 0 ? group.at(-1) : group[at - 1];
  const after = at < 0 ? undefined : group[at + 1];
  if (before !== undefined) return `FOLLOWS ${quoteIdentifier(before.name)} `;
  // The fence's own goes to the front by itself.
  return after === undefined || isFenceTrigger(after.name) ? '' : `PRECEDES ${quoteIdentifier(after.name)} `;
}

/** `root@%` as the server prints it; the host never holds an @. */
function quoteAccount(definer: string): string {
  const at = definer.lastIndexOf('@');
  return `${quoteIdentifier(definer.slice(0, at))}@${quoteIdentifier(definer.slice(at + 1))}`;
}

export function createUserTrigger(trigger: RememberedTrigger, place: string): string {
  return (
    `CREATE DEFINER = ${quoteAccount(trigger.definer)} TRIGGER ${quoteRelation(relationId(trigger.schema, trigger.name))} ` +
    `${trigger.timing} ${trigger.event} ON ${quoteRelation(trigger.relation)} FOR EACH ROW ${place}${trigger.body}`
  );
}

/** A trigger keeps the modes and character set of the session that made it: what its body means depends on them. */
export async function withSettingsOf(
  session: mysql.Connection,
  trigger: RememberedTrigger,
  work: () => Promise<void>,
): Promise<void> {
  const isAscii = /^[\0-\x7f]*$/.test(trigger.body);
  // The driver writes UTF-8: another character set is only true of text that looks the same in both.
  const fits = isAscii || /^utf8/i.test(trigger.characterSet);
  await session.query('SET SESSION sql_mode = ?', [trigger.sqlMode]);
  if (fits)
    await session.query('SET SESSION character_set_client = ?, collation_connection = ?', [
      trigger.characterSet,
      trigger.collation,
    ]);
  try {
    await work();
  } finally {
    await session.query('SET NAMES utf8mb4');
  }
}

/**
 * No write comes between: MariaDB replaces in one statement; for MySQL the table is locked meanwhile. A crash in between is mended from what
 * was remembered.
 */
export async function replaceTrigger(
  session: mysql.Connection,
  relation: RelationId,
  name: string,
  create: string | null,
): Promise<void> {
  await session.query(`LOCK TABLES ${quoteRelation(relation)} WRITE`);
  try {
    await session.query(`DROP TRIGGER IF EXISTS ${name}`);
    if (create !== null) await session.query(create);
  } finally {
    await session.query('UNLOCK TABLES');
  }
}

const TRIGGER_EXISTS = 1359;

async function createTrigger(session: mysql.Connection, sql: string): Promise<void> {
  try {
    await session.query(sql);
  } catch (error) {
    if (errorNumber(error) !== TRIGGER_EXISTS) throw error;
  }
}

/** Runs what was kept for the opening. `early`: only what may be there while the applier still writes. */
export async function runKeptStatements(arming: Arming, when: 'early' | 'all'): Promise<void> {
  const { pool, owner, key } = arming;
  const statements = await pool.use((connection) => recall(connection, key, 'statement'));
  const due = statements.filter(({ sql }) => when === 'all' || mayBeEarly(sql));
  if (due.length === 0) return;
  await withDdlSession(arming.setup, async (session) => {
    for (const { subject, sql, unless, settings } of due) {
      const guarded = guardNewTrigger(arming, sql);
      await inSmallRetries(
        pool,
        owner,
        sql.slice(0, 100),
        async () => {
          if (unless !== undefined && (await queryable(session).query({ sql: unless })).length > 0) return;
          await withSessionSettings(session, settings, () => session.query(guarded)).catch(
            (error: unknown) => {
              if (!isThereAlready(error)) throw error;
            },
          );
        },
        { signal: arming.signal, session },
      );
      await pool.ownedTransaction(owner, async (connection) => {
        await forget(connection, key, 'statement', subject);
      });
    }
  });
}

/** An event would run before the database is open, and be refused. */
const mayBeEarly = (sql: string): boolean => !/^\s*CREATE\s+(?:DEFINER\s*=\s*\S+\s+)?EVENT\b/i.test(sql);

/** A trigger of the user's, created while the applier is at work, must never have fired for it. */
function guardNewTrigger({ key, applier }: Arming, sql: string): string {
  const match = /^(\s*CREATE\s+(?:DEFINER\s*=\s*\S+\s+)?TRIGGER\s[^]*?\sFOR\s+EACH\s+ROW\s+)([^]*)$/i.exec(
    sql,
  );
  return match === null ? sql : `${match[1] ?? ''}${guardBody(key, applier, match[2] ?? '')}`;
}

/** Database, table or view, trigger, routine, event, index, key, check: each has a number of its own for "exists". */
const EXISTS = new Set([1007, 1050, 1061, 1304, 1359, 1537, 1826, 3822]);

export function isThereAlready(error: unknown): boolean {
  const number = errorNumber(error) ?? 0;
  // MariaDB, adding a foreign key of a name that is taken.
  return EXISTS.has(number) || (number === 1005 && /errno: 121/.test((error as Error).message));
}

/** The user's triggers as they were, then the fence's own away. Found by what they say of themselves. */
export async function disarm(arming: Arming, found: readonly TableTrigger[]): Promise<void> {
  const { pool, owner, key } = arming;
  const remembered = await pool.use((connection) => recall(connection, key, 'trigger'));
  await withDdlSession(arming.setup, async (session) => {
    const originals = found.flatMap((trigger): RememberedTrigger[] => {
      const guarded = isFenceTrigger(trigger.name) ? null : readGuard(trigger.body);
      return guarded === null ? [] : [{ ...trigger, body: guarded.original }];
    });
    // Relations that were retired since took theirs along.
    const relations = await readExisting(
      queryable(session),
      remembered.map(({ trigger }) => trigger.relation),
    );
    const there = await readTriggers(queryable(session), relations);
    const lost = lostTriggers(remembered, relations, there);
    for (const trigger of [...originals, ...lost]) {
      const all = await readTriggers(queryable(session), [trigger.relation]);
      await inSmallRetries(
        pool,
        owner,
        `giving back trigger ${trigger.name} of ${trigger.relation}`,
        () =>
          withSettingsOf(session, trigger, () =>
            replaceTrigger(
              session,
              trigger.relation,
              quoteRelation(subjectOf(trigger)),
              createUserTrigger(trigger, placeOf(trigger, all)),
            ),
          ),
        { signal: arming.signal, session },
      );
    }
    for (const trigger of found.filter(({ name }) => isFenceTrigger(name)))
      await inSmallRetries(
        pool,
        owner,
        `removing the fence from ${trigger.relation}`,
        () =>
          session.query(`DROP TRIGGER IF EXISTS ${quoteRelation(relationId(trigger.schema, trigger.name))}`),
        { signal: arming.signal, session },
      );
  });
}
