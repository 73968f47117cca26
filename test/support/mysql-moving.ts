/** The pieces of a move between MySQL-family databases, put together by hand: for tests of single roles. */
import type { RelationMap } from '../../src/engines/engine.js';
import { normaliseType } from '../../src/engines/mysql/mysql-flavor.js';
import type { MysqlTestDatabase } from './mariadb.js';

async function columnsOf(database: MysqlTestDatabase, table: string) {
  const rows = await database.query(
    `SELECT column_name AS name, column_type AS type FROM information_schema.columns
      WHERE table_schema = ? AND table_name = ? AND extra NOT LIKE '%GENERATED%' ORDER BY ordinal_position`,
    [database.name, table],
  );
  return rows.map(({ name, type }) => ({ name: String(name), type: normaliseType(String(type)) }));
}

/** A map of a table onto the one of the same name in the other database; column by column, those that the source has. */
export async function mysqlMapOf(
  source: MysqlTestDatabase,
  target: MysqlTestDatabase,
  table: string,
  key: readonly string[] = ['id'],
): Promise<RelationMap> {
  const there = await columnsOf(target, table);
  return {
    source: `${source.name}.${table}`,
    target: `${target.name}.${table}`,
    columns: (await columnsOf(source, table)).map(({ name, type }) => ({
      name,
      target: name,
      sourceType: type,
      targetType: there.find((column) => column.name === name)?.type ?? type,
    })),
    key,
    leaves: [`${source.name}.${table}`],
    hasOtherUniqueness: false,
  };
}
