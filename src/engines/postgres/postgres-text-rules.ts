/** Encoding and locale of a database, and the statement that makes another like it. */
import { sameLocale, type DatabaseLocale, type TextRules } from '../../model/text-rules.js';
import type { Queryable } from './postgres-fence-tree.js';
import { quoteIdentifier, quoteLiteral } from './postgres-sql.js';

/** Columns of later versions: the provider since 15, one name for the locale of ICU and of the server's own since 17. */
const RULES = `
SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS name
  FROM pg_database d WHERE d.datname = coalesce($1, current_database())`;

const PROVIDERS: Readonly<Record<string, DatabaseLocale['provider']>> = {
  c: 'libc',
  i: 'icu',
  b: 'builtin',
};

/** @param database another one of the server; its own otherwise */
export async function readTextRules(client: Queryable, database?: string): Promise<TextRules> {
  const { rows } = await client.query<{
    encoding: string;
    collate: string;
    ctype: string;
    provider: string;
    name: string | null;
  }>(RULES, [database ?? null]);
  const [found] = rows;
  if (found === undefined) return { encoding: '', locale: null };
  const { encoding, collate, ctype, name } = found;
  return { encoding, locale: { provider: PROVIDERS[found.provider] ?? 'libc', collate, ctype, name } };
}

export function sameText(a: TextRules, b: TextRules): boolean {
  return (
    a.encoding === b.encoding && (a.locale === null || b.locale === null || sameLocale(a.locale, b.locale))
  );
}

/** Without the semicolon. template1 has a locale of its own that a copy of it must keep. */
export function createLike(database: string, { encoding, locale }: TextRules): string {
  const text = quoteLiteral;
  const parts = [
    `CREATE DATABASE ${quoteIdentifier(database)} TEMPLATE template0 ENCODING ${text(encoding)}`,
  ];
  if (locale === null) return [...parts, "LOCALE 'C'"].join(' ');
  const { provider, collate, ctype, name } = locale;
  if (provider === 'icu') parts.push(`LOCALE_PROVIDER icu ICU_LOCALE ${text(name ?? '')}`);
  if (provider === 'builtin') parts.push(`LOCALE_PROVIDER builtin BUILTIN_LOCALE ${text(name ?? '')}`);
  parts.push(`LC_COLLATE ${text(collate)} LC_CTYPE ${text(ctype)}`);
  return parts.join(' ');
}
