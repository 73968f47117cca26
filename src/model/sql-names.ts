/** Names in SQL that the server wrote in full: in double quotes (PostgreSQL) or backticks (MySQL), or bare. */
import { relationId, type RelationId } from './relation-id.js';

const PART =
  String.raw`"(?:[^"]|"")+"|` + '`(?:[^`]|``)+`' + String.raw`|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*`;
export const QUALIFIED_NAME = new RegExp(
  String.raw`(?<![\w$".` + '`' + String.raw`\u0080-\uffff])(${PART})\.(${PART})`,
  'gi',
);

/** A bare name is lower case; an engine that keeps its case shows stored names in backticks. */
export const unquoteName = (part: string): string =>
  part.startsWith('"')
    ? part.slice(1, -1).replaceAll('""', '"')
    : part.startsWith('`')
      ? part.slice(1, -1).replaceAll('``', '`')
      : part.toLowerCase();

/** Every `schema.name` in the text, as relation ids, in order of appearance. */
export function* qualifiedNames(sql: string): Generator<RelationId> {
  for (const match of sql.matchAll(QUALIFIED_NAME))
    yield relationId(unquoteName(match[1] as string), unquoteName(match[2] as string));
}

/** True when `name` occurs as a word of its own. */
export function mentions(sql: string, name: string): boolean {
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(String.raw`(?<![\w$])${escaped}(?![\w$])`).test(sql);
}
