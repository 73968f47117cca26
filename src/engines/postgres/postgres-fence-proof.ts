/**
 * Proof that writing works, without touching a row: statements that can change nothing (`WHERE false`) fire statement triggers and ask
 * for privileges all the same. Run in a transaction that is rolled back.
 */
import type { RelationId } from '../../model/relation-id.js';
import type { SessionPool } from './postgres-connection.js';
import { SESSION_MARK } from './postgres-connection.js';
import { readTree, type Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier } from './postgres-sql.js';

const WRITES = `
SELECT has_table_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'INSERT') AS inserts,
       has_table_privilege(c.oid, 'UPDATE') OR has_any_column_privilege(c.oid, 'UPDATE') AS updates,
       (SELECT a.attname FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
           AND has_column_privilege(c.oid, a.attnum, 'INSERT') ORDER BY a.attnum LIMIT 1) AS inserted,
       (SELECT a.attname FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
           AND has_column_privilege(c.oid, a.attnum, 'UPDATE') ORDER BY a.attnum LIMIT 1) AS updated
  FROM pg_class c WHERE c.oid = $1`;

interface Writes {
  inserts: string;
  updates: string;
  inserted: string | null;
  updated: string | null;
}

async function zeroRowWrites(client: Queryable, oid: string, sql: string): Promise<string[]> {
  const { rows } = await client.query<Writes>(WRITES, [oid]);
  const can = rows[0] as Writes;
  const statements: string[] = [];
  if (can.updates === 't') {
    const set = can.updated === null ? '' : `${quoteIdentifier(can.updated)} = NULL`;
    if (set !== '') statements.push(`UPDATE ${sql} SET ${set} WHERE false`);
  }
  if (can.inserts === 't' && can.inserted !== null)
    statements.push(`INSERT INTO ${sql} (${quoteIdentifier(can.inserted)}) SELECT NULL WHERE false`);
  return statements;
}

export async function proveWritable(
  pool: SessionPool,
  relations: readonly RelationId[],
  role?: string,
): Promise<{ relation: RelationId; error: string }[]> {
  const refused: { relation: RelationId; error: string }[] = [];
  await pool.use(async (client) => {
    await client.query('BEGIN');
    try {
      // Without the mark even the applier's role is an application.
      await client.query("SELECT set_config($1, 'off', true)", [SESSION_MARK]);
      const tree = await readTree(client, relations);
      if (role !== undefined) await client.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`);
      for (const relation of tree) {
        await client.query('SAVEPOINT proof');
        try {
          for (const statement of await zeroRowWrites(client, relation.oid, relation.sql))
            await client.query(statement);
        } catch (error) {
          refused.push({ relation: relation.id, error: (error as Error).message });
        }
        await client.query('ROLLBACK TO SAVEPOINT proof');
      }
    } finally {
      await client.query('ROLLBACK');
    }
  });
  return refused;
}
