/** What a comparison must know of a relation's columns as they are now. */
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import type { BulkSession } from './mysql-bulk-sessions.js';
import type { DescribedType } from './mysql-column-hash.js';
import { normaliseType } from './mysql-flavor.js';
import { mysqlType, typeLabels } from './mysql-values.js';

export interface DescribedColumn extends DescribedType {
  readonly name: string;
  readonly isGenerated: boolean;
  /** How values of this column are ordered, in words that are the same on another server exactly when the order is. */
  readonly order: string;
}

const SQL = `
  SELECT column_name, column_type, character_set_name, character_octet_length, collation_name, extra, is_nullable
    FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`;

export async function describeColumns(
  session: BulkSession,
  relation: RelationId,
): Promise<readonly DescribedColumn[]> {
  const { schema, name } = parseRelationId(relation);
  const rows = await session.rows(SQL, [schema, name]);
  return rows.map(([column, columnType, characterSet, octets, collation, extra, nullable]) => {
    const type = normaliseType(columnType ?? '');
    return {
      name: column ?? '',
      type,
      characterSet: characterSet ?? null,
      octets: octets === null || octets === undefined ? null : Number(octets),
      isNullable: nullable !== 'NO',
      isGenerated: /\b(VIRTUAL|STORED|PERSISTENT) GENERATED\b/i.test(extra ?? ''),
      order: orderOf(type, collation ?? null, session.flavor.product),
    };
  });
}

function orderOf(type: string, collation: string | null, product: string): string {
  const { kind } = mysqlType(type);
  if (kind === 'enum' || kind === 'set') return `${kind} ${typeLabels(type).join('\u001f')}`;
  if (kind !== 'text' || collation === null) return 'value';
  // These are as old as the servers' common history; a newer one need not sort alike under the same name.
  return /_(bin|general_ci)$/.test(collation)
    ? collation.replace(/^utf8_/, 'utf8mb3_')
    : `${product} ${collation}`;
}
