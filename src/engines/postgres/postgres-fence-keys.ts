/**
 * Foreign keys and user triggers around a fence. On the side that does not own, an applier without the replica role must not meet either: a
 * trigger would do its work twice (its effects arrive by the log), a key would refuse rows that arrive in another order. Dropping a key locks
 * readers out, so it is done after the commit in small retries, before the applier begins; triggers go in the commit itself.
 */
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { DetachedKey, KeyScope } from '../engine.js';
import { ROW_TRIGGER, STATEMENT_TRIGGER } from './postgres-fence-body.js';
import type { Memory } from './postgres-fence-memory.js';
import type { FencedRelation, Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier, quoteRelation } from './postgres-sql.js';

/** True when this session may apply as a replica: then ordinary triggers and keys do not fire for it. Asked by trying, in a transaction. */
export async function canBeReplica(client: Queryable): Promise<boolean> {
  await client.query('SAVEPOINT replica_role');
  try {
    await client.query('SET LOCAL session_replication_role = replica');
    return true;
  } catch (error) {
    // insufficient_privilege
    if ((error as { code?: string }).code !== '42501') throw error;
    return false;
  } finally {
    await client.query('ROLLBACK TO SAVEPOINT replica_role');
  }
}

export type FiringTrigger = Extract<Memory, { kind: 'trigger' }>;

interface TriggerRow {
  schema: string;
  relation: string;
  name: string;
  enabled: string;
}

const USER_TRIGGERS = `
SELECT n.nspname AS schema, c.relname AS relation, t.tgname AS name, t.tgenabled AS enabled
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgname <> ALL ($2::text[])
   AND t.tgname NOT LIKE 'dbps\\_capture\\_%'
 ORDER BY c.oid, t.tgname`;

/** What would fire for the applier (dbps's own capture by triggers passes its sessions over by itself): everything enabled, or as a replica only what asks for it (REPLICA, ALWAYS). */
export async function readFiringTriggers(
  client: Queryable,
  tree: readonly FencedRelation[],
  isReplica: boolean,
): Promise<FiringTrigger[]> {
  const { rows } = await client.query<TriggerRow>(USER_TRIGGERS, [
    tree.map((r) => r.oid),
    [STATEMENT_TRIGGER, ROW_TRIGGER],
  ]);
  return rows
    .filter((row) => !isReplica || row.enabled !== 'O')
    .map((row) => {
      const relation = relationId(row.schema, row.relation);
      return {
        kind: 'trigger',
        subject: `${relation} ${row.name}`,
        relation,
        name: row.name,
        enabled: row.enabled,
      };
    });
}

export function disableTrigger(trigger: Extract<Memory, { kind: 'trigger' }>): string {
  return `ALTER TABLE ONLY ${quoteRelation(trigger.relation)} DISABLE TRIGGER ${quoteIdentifier(trigger.name)}`;
}

export function enableTrigger(trigger: Extract<Memory, { kind: 'trigger' }>): string {
  const how = ({ R: 'REPLICA ', A: 'ALWAYS ' } as Readonly<Record<string, string>>)[trigger.enabled] ?? '';
  return `ALTER TABLE ONLY ${quoteRelation(trigger.relation)} ENABLE ${how}TRIGGER ${quoteIdentifier(trigger.name)}`;
}

export interface ForeignKeyFacts extends DetachedKey {
  readonly parent: RelationId;
}

interface KeyRow {
  parent_schema: string;
  parent: string;
  schema: string;
  relation: string;
  name: string;
  definition: string;
  validated: string;
}

const FOREIGN_KEYS = `
SELECT n.nspname AS schema, c.relname AS relation, k.conname AS name, pg_get_constraintdef(k.oid) AS definition,
       k.convalidated::text AS validated, pn.nspname AS parent_schema, p.relname AS parent
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class p ON p.oid = k.confrelid
  JOIN pg_namespace pn ON pn.oid = p.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0
   AND CASE $2 WHEN 'inner' THEN k.conrelid = ANY ($1::oid[]) AND k.confrelid = ANY ($1::oid[])
               ELSE (k.conrelid = ANY ($1::oid[])) <> (k.confrelid = ANY ($1::oid[])) END
 ORDER BY c.oid, k.conname`;

export async function readForeignKeys(
  client: Queryable,
  tree: readonly FencedRelation[],
  scope: KeyScope,
): Promise<ForeignKeyFacts[]> {
  const { rows } = await client.query<KeyRow>(FOREIGN_KEYS, [tree.map((r) => r.oid), scope]);
  return rows.map((row) => ({
    relation: relationId(row.schema, row.relation),
    name: row.name,
    definition: row.definition.replace(/ NOT VALID$/, ''),
    isValidated: row.validated === 'true',
    parent: relationId(row.parent_schema, row.parent),
  }));
}

export const keySubject = (key: Pick<DetachedKey, 'relation' | 'name'>): string =>
  `${key.relation} ${key.name}`;

export function dropKey(key: DetachedKey): string {
  return `ALTER TABLE ${quoteRelation(key.relation)} DROP CONSTRAINT IF EXISTS ${quoteIdentifier(key.name)}`;
}

export function addKey(relation: RelationId, name: string, definition: string, isValidated: boolean): string {
  return `ALTER TABLE ${quoteRelation(relation)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}${isValidated ? '' : ' NOT VALID'}`;
}

export function validateKey(key: Pick<DetachedKey, 'relation' | 'name'>): string {
  return `ALTER TABLE ${quoteRelation(key.relation)} VALIDATE CONSTRAINT ${quoteIdentifier(key.name)}`;
}

export async function hasConstraint(
  client: Queryable,
  relation: RelationId,
  name: string,
): Promise<'no' | 'unvalidated' | 'valid'> {
  const { rows } = await client.query<{ validated: string }>(
    'SELECT convalidated::text AS validated FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2',
    [quoteRelation(relation), name],
  );
  if (rows[0] === undefined) return 'no';
  return rows[0].validated === 'true' ? 'valid' : 'unvalidated';
}

/** A partitioned relation takes no NOT VALID key of its own (before 18): its leaves do, and lend theirs to the root once valid. */
export async function leavesIfPartitioned(client: Queryable, relation: RelationId): Promise<RelationId[]> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name
       FROM pg_partition_tree($1::regclass) t
       JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE t.isleaf AND t.level > 0 ORDER BY c.oid`,
    [quoteRelation(relation)],
  );
  return rows.map((row) => relationId(row.schema, row.name));
}
