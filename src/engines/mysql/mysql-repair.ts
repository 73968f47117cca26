/** SQL that makes one row of this side equal to the other's. */
import { canonicalOf, whyNotRepairable } from '../canonical-columns.js';
import type { ChecksumMethod, Key, RelationMap, Side } from '../engine.js';
import { columnsOn, keyOn, relationOn, type KeyColumn } from '../relation-sides.js';
import { canonicalLiteral, ownText } from './mysql-canonical.js';
import { keysCondition } from './mysql-key-range.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

/** @param values null: the row is deleted. */
export function repairSql(
  map: RelationMap,
  key: Key,
  values: readonly (string | null)[] | null,
  method: ChecksumMethod,
  side: Side,
): string {
  const relation = quoteRelation(relationOn(map, side));
  const keyColumns = keyOn(map, side, method);
  const isRow = keysCondition([key], keyColumns);
  if (values === null) return `DELETE FROM ${relation} WHERE ${isRow}${exactly(keyColumns, key)};`;
  const isAcross = keyColumns.some(({ kind }) => kind !== undefined);
  const reason = isAcross ? whyNotRepairable(map, key, method) : null;
  if (reason !== null) return reason;
  const canonical = isAcross ? canonicalOf(map, method, side) : [];
  const columns = columnsOn(map, side);
  const literals = columns.map(({ name, type }, i) => {
    const value = values[i];
    const kind = canonical.find((column) => column.name === name)?.kind;
    return value === null || value === undefined ? 'NULL' : canonicalLiteral(type, kind, value);
  });
  const set = columns.map(({ name }, i) => `${quoteIdentifier(name)} = ${literals[i]}`).join(', ');
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  // Neither REPLACE nor ON DUPLICATE KEY: those take any unique key for the row's.
  return (
    `UPDATE ${relation} SET ${set} WHERE ${isRow};` +
    ` INSERT INTO ${relation} (${names}) SELECT ${literals.join(', ')} FROM DUAL` +
    ` WHERE NOT EXISTS (SELECT 1 FROM ${relation} WHERE ${isRow});`
  );
}

/** Text keys that the collation takes for the same are not the same row on both sides. */
function exactly(columns: readonly KeyColumn[], key: Key): string {
  return columns
    .map(({ name, type, kind }, i) =>
      /^(char|varchar|\w*text)/.test(type) && kind !== 'uuid' && kind !== 'padded text'
        ? ` AND CAST(CONVERT(${quoteIdentifier(name)} USING utf8mb4) AS BINARY) = x'${Buffer.from(kind === undefined ? (key[i] as string) : ownText(type, kind, key[i] as string)).toString('hex')}'`
        : '',
    )
    .join('');
}
