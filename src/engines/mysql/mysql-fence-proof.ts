/**
 * Proof that writing works, without touching a row: statements that can change nothing (`WHERE FALSE`) ask for privileges, and open what a
 * write would open; row triggers do not fire for them, so the control row is read as the triggers read it.
 */
import type mysql from 'mysql2/promise';
import { RefusedError } from '../../model/errors.js';
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import { queryable, type MysqlPool } from './mysql-connection.js';
import { readFenceBody } from './mysql-fence-body.js';
import { readFenceRow } from './mysql-fence-row.js';
import { readTriggers } from './mysql-fence-tables.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

export async function proveWritable(
  pool: MysqlPool,
  relations: readonly RelationId[],
  role?: string,
): Promise<{ relation: RelationId; error: string }[]> {
  if (role !== undefined)
    throw new RefusedError({
      code: 'DBPS_E405',
      message: `this server lets nobody act as another account, so writing as ${role} cannot be tried`,
      hint: `SHOW GRANTS FOR ${role}; shows what it may do`,
    });
  const refused: { relation: RelationId; error: string }[] = [];
  await pool.use(async (connection) => {
    for (const relation of relations) {
      await connection.query('START TRANSACTION');
      try {
        const refusal = await refusalOf(connection, relation);
        if (refusal !== null) refused.push({ relation, error: refusal });
        else for (const sql of await zeroRowWrites(connection, relation)) await connection.query(sql);
      } catch (error) {
        refused.push({ relation, error: (error as Error).message });
      } finally {
        await connection.query('ROLLBACK');
      }
    }
  });
  return refused;
}

/** By every fence on the relation, whichever service's. */
async function refusalOf(connection: mysql.Connection, relation: RelationId): Promise<string | null> {
  const ask = queryable(connection);
  for (const { body } of await readTriggers(ask, [relation])) {
    const { key } = readFenceBody(body);
    if (key === null) continue;
    const row = await readFenceRow(ask, key, 'LOCK IN SHARE MODE');
    if (row === null) return 'the control row of its fence is gone';
    if (row.refusal !== null) return row.refusal;
  }
  return null;
}

async function zeroRowWrites(connection: mysql.Connection, relation: RelationId): Promise<string[]> {
  const { schema, name } = parseRelationId(relation);
  const rows = await queryable(connection).query({
    sql: `SELECT column_name FROM information_schema.columns
           WHERE table_schema = ? AND table_name = ? AND COALESCE(generation_expression, '') = '' ORDER BY ordinal_position`,
    values: [schema, name],
  });
  const [first, ...others] = rows.map((row) => quoteIdentifier(row['column_name'] ?? ''));
  if (first === undefined) return [];
  const columns = [first, ...others].join(', ');
  const table = quoteRelation(relation);
  return [
    `UPDATE ${table} SET ${first} = ${first} WHERE FALSE`,
    `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${table} WHERE FALSE`,
    `DELETE FROM ${table} WHERE FALSE`,
  ];
}
