/**
 * What a publication publishes, as it was when capture began and as it is now. A relation that is dropped from it and added again leaves a gap
 * that nothing else shows: neither the log, nor the slot, nor the set of changed keys.
 */
import type pg from 'pg';
import { relationId } from '../../model/relation-id.js';

/** Relation → a mark of its membership (which table it is, since when, with which columns and rows); `*`: which kinds of changes. */
export type Members = Readonly<Record<string, string>>;

const MEMBERS = `
SELECT n.nspname AS schema, c.relname AS name, left(md5(to_jsonb(r)::text), 12) AS mark
  FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
  JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE p.pubname = $1
UNION ALL
SELECT NULL, NULL, left(md5((to_jsonb(p) - 'pubname' - 'pubowner')::text), 12) FROM pg_publication p WHERE p.pubname = $1`;

export async function readMembers(client: Pick<pg.ClientBase, 'query'>, name: string): Promise<Members> {
  const { rows } = await client.query<{ schema: string | null; name: string | null; mark: string }>(MEMBERS, [
    name,
  ]);
  return Object.fromEntries(
    rows.map((row) => [row.schema === null ? '*' : relationId(row.schema, row.name ?? ''), row.mark]),
  );
}

/** Pure; null when nothing has changed. Read after the name of the publication. */
export function describeAlteration(before: Members, now: Members): string | null {
  const what: string[] = [];
  for (const [relation, mark] of Object.entries(before)) {
    const is = now[relation];
    if (is === mark) continue;
    if (relation === '*') what.push('no longer publishes every kind of change');
    else if (is === undefined) what.push(`no longer holds ${relation}`);
    else what.push(`holds ${relation} anew, or only a part of it`);
  }
  for (const relation of Object.keys(now)) if (!(relation in before)) what.push(`holds ${relation} too`);
  return what.length === 0 ? null : what.join(' and ');
}
