/**
 * Relations named in SQL that the server itself stored: views are kept with every name written in full; routine, trigger and event
 * bodies as they were typed. No package reads this dialect reliably, so names are taken where the grammar can only have a relation.
 */
import { relationId, type RelationId } from '../../model/relation-id.js';

const NAME = '(?:`(?:[^`]|``)+`|[A-Za-z_$\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)';
const unquote = (name: string): string =>
  name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name;

/** Comments and string literals become blanks, so that nothing inside them is taken for a name. */
export function blankLiterals(sql: string): string {
  return sql.replace(
    /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|--[ \t][^\n]*|#[^\n]*|\/\*(?!!)[\s\S]*?\*\//g,
    (match) => ' '.repeat(match.length),
  );
}

/** `schema`.`relation` pairs of a stored view definition; columns come as three parts or with an alias and are no pairs of known names. */
export function readQualifiedNames(sql: string): readonly RelationId[] {
  const found = new Set<RelationId>();
  for (const match of blankLiterals(sql).matchAll(/`((?:[^`]|``)+)`\.`((?:[^`]|``)+)`/g)) {
    found.add(relationId(unquote(`\`${match[1]}\``), unquote(`\`${match[2]}\``)));
  }
  return [...found].sort();
}

const WRITES = new RegExp(
  `\\b(?:insert(?:\\s+(?:low_priority|delayed|high_priority|ignore))*(?:\\s+into)?|replace(?:\\s+into)?|delete(?:\\s+(?:low_priority|quick|ignore))*\\s+from|truncate(?:\\s+table)?|update(?:\\s+(?:low_priority|ignore))*)\\s+(${NAME})(?:\\s*\\.\\s*(${NAME}))?`,
  'giu',
);
const READS = new RegExp(
  `\\b(?:from|join)\\s+\\(?\\s*(${NAME})(?:\\s*\\.\\s*(${NAME}))?((?:\\s*(?:as\\s+)?${NAME})?(?:\\s*,\\s*${NAME}(?:\\s*\\.\\s*${NAME})?(?:\\s+(?:as\\s+)?${NAME})?)*)`,
  'giu',
);
const LISTED = new RegExp(`,\\s*(${NAME})(?:\\s*\\.\\s*(${NAME}))?`, 'giu');

/** Only names of relations that exist count: a keyword or an alias that looks like one is dropped. */
export function readTouchedRelations(
  body: string,
  schema: string,
  known: ReadonlySet<RelationId>,
): { readonly reads: readonly RelationId[]; readonly writes: readonly RelationId[] } {
  const sql = blankLiterals(body);
  const resolve = (first: string | undefined, second: string | undefined): RelationId | undefined => {
    if (first === undefined) return undefined;
    const id =
      second === undefined ? relationId(schema, unquote(first)) : relationId(unquote(first), unquote(second));
    return known.has(id) ? id : undefined;
  };
  const writes = new Set<RelationId>();
  const reads = new Set<RelationId>();
  for (const match of sql.matchAll(WRITES)) {
    const id = resolve(match[1], match[2]);
    if (id !== undefined) writes.add(id);
  }
  for (const match of sql.matchAll(READS)) {
    const id = resolve(match[1], match[2]);
    if (id !== undefined) reads.add(id);
    for (const more of (match[3] ?? '').matchAll(LISTED)) {
      const listed = resolve(more[1], more[2]);
      if (listed !== undefined) reads.add(listed);
    }
  }
  return { reads: [...reads].sort(), writes: [...writes].sort() };
}

/** `INTO t (`, `TABLE t (` name a table before its columns; `CALL p` needs no parenthesis. */
const CALLED = new RegExp(
  `\\b(call|into|table)\\s+(${NAME})(?:\\s*\\.\\s*(${NAME}))?|(?<![\\w$\u0080-\uffff.])(${NAME})(?:\\s*\\.\\s*(${NAME}))?\\s*\\(`,
  'giu',
);

/** Routines by their id in lower case, which is how the server compares their names. */
export type RoutineNames = ReadonlyMap<string, RelationId>;

export const routineNames = (ids: Iterable<RelationId>): RoutineNames =>
  new Map([...ids].map((id) => [id.toLowerCase(), id]));

/** Routines that a stored body calls: only those that exist count. */
export function readCalledRoutines(body: string, schema: string, known: RoutineNames): readonly RelationId[] {
  const found = new Set<RelationId>();
  for (const [, word, named, part, called, member] of blankLiterals(body).matchAll(CALLED)) {
    if (word !== undefined && word.toLowerCase() !== 'call') continue;
    const [first, second] = word === undefined ? [called, member] : [named, part];
    if (first === undefined) continue;
    const id =
      second === undefined ? relationId(schema, unquote(first)) : relationId(unquote(first), unquote(second));
    const routine = known.get(id.toLowerCase());
    if (routine !== undefined) found.add(routine);
  }
  return [...found].sort();
}
