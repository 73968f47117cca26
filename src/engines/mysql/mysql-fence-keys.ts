/**
 * Foreign keys around a fence. The applier works with `foreign_key_checks` off, so keys among the relations may stay where they are; those that
 * cross the boundary go before a cutover and come back after a rollback. A key that is added with the checks off is in force at once
 * and has read no row: the rows are looked at afterwards, without a lock.
 */
import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { BrokenKey, KeyScope, Ownership } from '../engine.js';
import { queryable, type MysqlPool, type MysqlQueryable } from './mysql-connection.js';
import { errorNumber } from './mysql-errors.js';
import { isThereAlready, withDdlSession } from './mysql-fence-arming.js';
import type { FenceKey } from './mysql-fence-body.js';
import { forget, recall, remember, type RememberedKey } from './mysql-fence-memory.js';
import { inSmallRetries } from './mysql-fence-retry.js';
import type { FenceSetup } from './mysql-fence.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export interface ForeignKeyFacts extends RememberedKey {
  readonly columns: readonly string[];
  readonly parent: RelationId;
  readonly parentColumns: readonly string[];
  readonly onDelete: string;
  readonly onUpdate: string;
}

const FOREIGN_KEYS = `
SELECT k.table_schema, k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
       k.referenced_column_name, r.update_rule, r.delete_rule
  FROM information_schema.key_column_usage k
  JOIN information_schema.referential_constraints r
    ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
 WHERE k.referenced_table_name IS NOT NULL AND (k.table_schema IN (?) OR k.referenced_table_schema IN (?))
 ORDER BY k.table_schema, k.table_name, k.constraint_name, k.ordinal_position`;

/** With one end at least among the relations. */
export async function readForeignKeys(
  session: MysqlQueryable,
  relations: readonly RelationId[],
): Promise<ForeignKeyFacts[]> {
  if (relations.length === 0) return [];
  const schemas = [...new Set(relations.map((id) => parseRelationId(id).schema))];
  const rows = await session.query({ sql: FOREIGN_KEYS, values: [schemas, schemas] });
  const among = new Set(relations);
  const keys = new Map<
    string,
    Omit<ForeignKeyFacts, 'definition'> & { columns: string[]; parentColumns: string[] }
  >();
  for (const row of rows) {
    const relation = relationId(row['table_schema'] ?? '', row['table_name'] ?? '');
    const parent = relationId(row['referenced_table_schema'] ?? '', row['referenced_table_name'] ?? '');
    if (!among.has(relation) && !among.has(parent)) continue;
    const name = row['constraint_name'] ?? '';
    const subject = keySubject({ relation, name });
    const key = keys.get(subject) ?? {
      relation,
      name,
      columns: [],
      parent,
      parentColumns: [],
      onDelete: row['delete_rule'] ?? 'RESTRICT',
      onUpdate: row['update_rule'] ?? 'RESTRICT',
    };
    key.columns.push(row['column_name'] ?? '');
    key.parentColumns.push(row['referenced_column_name'] ?? '');
    keys.set(subject, key);
  }
  return [...keys.values()].map((key) => ({ ...key, definition: definitionOf(key) }));
}

function definitionOf(
  key: Omit<ForeignKeyFacts, 'definition'>,
  actions = ` ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`,
): string {
  const list = (columns: readonly string[]) => columns.map(quoteIdentifier).join(', ');
  return `FOREIGN KEY (${list(key.columns)}) REFERENCES ${quoteRelation(key.parent)} (${list(key.parentColumns)})${actions}`;
}

/**
 * With its actions as the server itself writes them: what is left out there is left out here too, since "no action" and "restrict" are shown
 * by one server as what was said, and by another as what was not.
 */
async function asWritten(session: MysqlQueryable, key: ForeignKeyFacts): Promise<RememberedKey> {
  const [row] = await session.query({ sql: `SHOW CREATE TABLE ${quoteRelation(key.relation)}` });
  const lines = (row?.['create table'] ?? '').split('\n');
  const line = lines.find((text) =>
    text.trim().startsWith(`CONSTRAINT ${quoteIdentifier(key.name)} FOREIGN KEY `),
  );
  const { relation, name, definition } = key;
  if (line === undefined) return { relation, name, definition };
  const action = '(?:RESTRICT|CASCADE|SET NULL|SET DEFAULT|NO ACTION)';
  const actions =
    new RegExp(`\\)((?: ON DELETE ${action})?(?: ON UPDATE ${action})?),?$`).exec(line)?.[1] ?? '';
  return { relation, name, definition: definitionOf(key, actions) };
}

export const keySubject = (key: Pick<RememberedKey, 'relation' | 'name'>): string =>
  `${key.relation} ${key.name}`;

export interface KeyWork {
  readonly pool: MysqlPool;
  readonly setup: FenceSetup;
  readonly owner: Ownership;
  readonly key: FenceKey;
  readonly signal?: AbortSignal | undefined;
}

/** "Can't DROP; check that it exists": somebody, or an earlier run, was faster. */
const GONE = 1091;

export async function detachKeys(
  work: KeyWork,
  relations: readonly RelationId[],
  scope: KeyScope,
): Promise<string[]> {
  const among = new Set(relations);
  const keys = (
    await work.pool.use((connection) => readForeignKeys(queryable(connection), relations))
  ).filter((key) => (among.has(key.relation) && among.has(key.parent)) === (scope === 'inner'));
  if (keys.length === 0) return [];
  const exact = await work.pool.use((connection) =>
    Promise.all(keys.map((key) => asWritten(queryable(connection), key))),
  );
  await work.pool.ownedTransaction(work.owner, (connection) =>
    remember(
      connection,
      work.key,
      exact.map((key) => ({ kind: `${scope}-key`, subject: keySubject(key), key })),
    ),
  );
  await withDdlSession(work.setup, async (session) => {
    for (const key of keys)
      await inSmallRetries(
        work.pool,
        work.owner,
        `dropping the foreign key ${key.name} of ${key.relation}`,
        () =>
          session
            .query(`ALTER TABLE ${quoteRelation(key.relation)} DROP FOREIGN KEY ${quoteIdentifier(key.name)}`)
            .catch((error: unknown) => {
              if (errorNumber(error) !== GONE) throw error;
            }),
        { signal: work.signal, session },
      );
  });
  return keys.map(keySubject);
}

/** Restores, then looks at the rows of what was restored; `inner`: of all keys among the relations, since the applier checked none. */
export async function attachKeys(
  work: KeyWork,
  relations: readonly RelationId[],
  scope: KeyScope,
): Promise<BrokenKey[]> {
  const { pool, owner, key: fence } = work;
  const kept = await pool.use((connection) => recall(connection, fence, `${scope}-key`));
  if (kept.length > 0)
    await withDdlSession(work.setup, async (session) => {
      for (const { key, subject } of kept) {
        await inSmallRetries(
          pool,
          owner,
          `restoring the foreign key ${key.name} of ${key.relation}`,
          () =>
            session
              .query(
                `ALTER TABLE ${quoteRelation(key.relation)} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${key.definition}`,
              )
              .catch((error: unknown) => {
                if (!isThereAlready(error)) throw error;
              }),
          { signal: work.signal, session },
        );
        await pool.ownedTransaction(owner, async (connection) => {
          await remember(connection, fence, [{ kind: 'unvalidated-key', subject, key }]);
          await forget(connection, fence, `${scope}-key`, subject);
        });
      }
    });
  const unvalidated = new Set(
    (await pool.use((connection) => recall(connection, fence, 'unvalidated-key'))).map(
      ({ subject }) => subject,
    ),
  );
  const among = new Set(relations);
  const keys = (await pool.use((connection) => readForeignKeys(queryable(connection), relations))).filter(
    (key) =>
      unvalidated.has(keySubject(key)) ||
      (scope === 'inner' && among.has(key.relation) && among.has(key.parent)),
  );
  const broken: BrokenKey[] = [];
  for (const key of keys) {
    work.signal?.throwIfAborted();
    const orphan = await findOrphan(pool, key);
    if (orphan !== null)
      broken.push({
        relation: key.relation,
        name: key.name,
        error: orphan,
        remedy: `Mend the rows; the key itself is in force and needs no statement. These are they: ${orphansSql(key, 'c.*')};`,
      });
    else if (unvalidated.has(keySubject(key)))
      await pool.ownedTransaction(owner, (connection) =>
        forget(connection, fence, 'unvalidated-key', keySubject(key)),
      );
  }
  return broken;
}

/** Rows whose parent is not there. */
function orphansSql(key: ForeignKeyFacts, what: string): string {
  const columns = key.columns.map(quoteIdentifier);
  return (
    `SELECT ${what} FROM ${quoteRelation(key.relation)} c WHERE ${columns.map((column) => `c.${column} IS NOT NULL`).join(' AND ')} ` +
    `AND NOT EXISTS (SELECT 1 FROM ${quoteRelation(key.parent)} p ` +
    `WHERE ${columns.map((column, at) => `p.${quoteIdentifier(key.parentColumns[at] ?? '')} = c.${column}`).join(' AND ')})`
  );
}

async function findOrphan(pool: MysqlPool, key: ForeignKeyFacts): Promise<string | null> {
  const [row] = await pool.query(`${orphansSql(key, '1')} LIMIT 1`);
  return row === undefined
    ? null
    : `rows of ${key.relation} have no parent in ${key.parent} (${key.columns.join(', ')})`;
}
