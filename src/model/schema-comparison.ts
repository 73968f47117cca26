/**
 * Whether a database holds what a plan says, object by object. What is state and not shape is left out: row estimates, sizes,
 * owners, positions of sequences, versions of server and extensions.
 */
import type { DatabaseSchema, Relation, Routine, Sequence } from './database-schema.js';
import { relationId } from './relation-id.js';

export interface SchemaDifference {
  /** `table public.orders`, `sequence public.orders_id_seq`. */
  readonly object: string;
  readonly what: 'missing' | 'unexpected' | 'different';
  /** Path of the first differing member and both values, when it is different. */
  readonly detail: string;
}

const strip = <T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key as K))) as Omit<T, K>;

const sorted = <T>(items: readonly T[], key: (item: T) => string): readonly T[] =>
  [...items].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));

const relationShape = (relation: Relation) => ({
  ...strip(relation, 'owner', 'estimatedRows', 'bytes', 'storage'),
  keys: sorted(relation.keys, (key) => key.name),
  reads: [...relation.reads].sort(),
  calls: [...relation.calls].sort(),
  options: [...relation.options].sort(),
  grants: sorted(relation.grants, (grant) => JSON.stringify(grant)),
});

const routineShape = (routine: Routine) => ({
  ...routine,
  grants: sorted(routine.grants, (grant) => JSON.stringify(grant)),
});

const sequenceShape = (sequence: Sequence) => ({
  ...strip(sequence, 'lastValue'),
  usedBy: sorted(sequence.usedBy, (use) => `${use.relation}.${use.column}`),
  grants: sorted(sequence.grants, (grant) => JSON.stringify(grant)),
});

/** The same query is written out differently by another major version of the server; what it reads and gives is not. */
const withoutText = (relation: Relation): Omit<Relation, 'definition'> => strip(relation, 'definition');

function objectsOf(schema: DatabaseSchema, isTextComparable: boolean): ReadonlyMap<string, unknown> {
  const objects = new Map<string, unknown>();
  for (const relation of schema.relations)
    objects.set(
      `${relation.kind} ${relation.id}`,
      relationShape(isTextComparable ? relation : withoutText(relation)),
    );
  for (const type of schema.types) objects.set(`${type.kind} ${relationId(type.schema, type.name)}`, type);
  for (const sequence of schema.sequences) objects.set(`sequence ${sequence.id}`, sequenceShape(sequence));
  for (const routine of schema.routines) objects.set(`${routine.kind} ${routine.id}`, routineShape(routine));
  for (const extension of schema.extensions)
    objects.set(`extension ${extension.name}`, { schema: extension.schema });
  for (const name of schema.schemas) {
    const grants = (schema.schemaGrants ?? []).filter((grant) => grant.schema === name);
    // Every database has its own `public`, with grants and a comment that depend on the server's version.
    objects.set(`schema ${name}`, {
      grants: sorted(
        grants
          .filter((grant) => name !== 'public' || grant.grantee !== 'PUBLIC')
          .map((grant) => JSON.stringify(grant)),
        (grant) => grant,
      ),
      comment: name === 'public' ? null : (schema.schemaComments?.[name] ?? null),
    });
  }
  return objects;
}

/** `columns[3].default: "1" <> "2"`; null when both are equal. Missing and undefined are the same. */
function firstDifference(expected: unknown, actual: unknown, path: string): string | null {
  if (Object.is(expected, actual)) return null;
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null;
  if (!isObject(expected) || !isObject(actual) || Array.isArray(expected) !== Array.isArray(actual))
    return `${path}: ${JSON.stringify(expected) ?? 'nothing'} <> ${JSON.stringify(actual) ?? 'nothing'}`;
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const below = Array.isArray(expected) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    const found = firstDifference(expected[key], actual[key], below);
    if (found !== null) return found;
  }
  return null;
}

/** Empty when `actual` holds exactly what `expected` says. Extensions and empty schemas beyond it are no difference. */
export function compareSchemas(
  expected: DatabaseSchema,
  actual: DatabaseSchema,
): readonly SchemaDifference[] {
  const major = (schema: DatabaseSchema) => Math.floor(schema.version / 10_000);
  const isTextComparable = major(expected) === major(actual);
  const wanted = objectsOf(expected, isTextComparable);
  const found = objectsOf(actual, isTextComparable);
  const differences: SchemaDifference[] = [];
  for (const [object, shape] of wanted) {
    if (!found.has(object)) {
      differences.push({ object, what: 'missing', detail: '' });
      continue;
    }
    const detail = firstDifference(shape, found.get(object), '');
    if (detail !== null) differences.push({ object, what: 'different', detail });
  }
  for (const object of found.keys())
    if (!wanted.has(object) && !/^(extension|schema) /.test(object))
      differences.push({ object, what: 'unexpected', detail: '' });
  return differences;
}
