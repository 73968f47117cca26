/** What the generic traffic has to write differently for each engine. */
import type { Knex } from 'knex';
import type { ShopEngine } from '../../src/demo/shop-engines.js';

export const quoteOn = (engine: ShopEngine, name: string): string =>
  engine === 'postgres' ? `"${name.replaceAll('"', '""')}"` : `\`${name.replaceAll('`', '``')}\``;

/** A column as the text that both engines agree on. */
export const asText = (engine: ShopEngine, column: string): string =>
  engine === 'postgres' ? `${column}::text` : `CAST(${column} AS CHAR)`;

/** A parameter is text: PostgreSQL has to be told what it becomes, MySQL converts it to the column it is written to. */
export function parameter(
  engine: ShopEngine,
  column: { readonly category: string; readonly type: string },
): string {
  return engine === 'postgres' ? `CAST(? AS ${GENERAL[column.category] ?? column.type})` : '?';
}

const GENERAL: Readonly<Record<string, string>> = { S: 'text', N: 'numeric', D: 'timestamp' };

export const engineOf = (knex: Knex): ShopEngine =>
  (knex.client as { readonly config: Knex.Config }).config.client === 'mysql2' ? 'mysql' : 'postgres';

/** Of a statement's result: the rows that it returned, and how many it changed. */
export function answerOf(result: unknown): {
  readonly rows: readonly Record<string, string>[];
  readonly changed: number;
} {
  if (Array.isArray(result)) {
    const [first] = result as [unknown];
    return Array.isArray(first)
      ? { rows: first as Record<string, string>[], changed: first.length }
      : { rows: [], changed: (first as { affectedRows?: number } | undefined)?.affectedRows ?? 0 };
  }
  const { rows, rowCount } = result as { rows: Record<string, string>[]; rowCount: number | null };
  return { rows, changed: rowCount ?? 0 };
}
