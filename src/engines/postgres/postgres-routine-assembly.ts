/** Routines with what their bodies touch. */
import type { Grant, Routine } from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { parseSearchPath, type NameResolver } from './postgres-name-resolver.js';
import { optional } from './postgres-relation-assembly.js';
import { readBody, type BodyUse, type NameInText } from './postgres-routine-body.js';
import type { CatalogueRows } from './postgres-schema-assembly.js';
import { quoteRelation } from './postgres-sql.js';
import type { RoutineRow } from './sql/routines.js';

export interface AssembledRoutines {
  readonly routines: readonly Routine[];
  /** By `schema.name`, overloads together. */
  readonly byName: ReadonlyMap<string, readonly Routine[]>;
  /** Extension → routines whose text calls one of its functions. */
  readonly extensionUse: ReadonlyMap<string, readonly string[]>;
}

const NOTHING: BodyUse = { reads: [], writes: [], calls: [], isOpaque: false };

function definitionOf(row: RoutineRow): string {
  if (row.aggregate === null) return (row.definition ?? '').trimEnd();
  const name = quoteRelation(relationId(row.schema, row.name));
  return `CREATE AGGREGATE ${name}(${row.aggregate.arguments}) (${row.aggregate.parts.join(', ')})`;
}

export async function assembleRoutines(
  rows: CatalogueRows,
  resolver: NameResolver,
  grantsOf: (oid: string) => readonly Grant[],
): Promise<AssembledRoutines> {
  const extensionOf = new Map<string, string>();
  for (const extension of rows.extensions)
    for (const name of extension.routines ?? []) extensionOf.set(name, extension.name);
  const extensionUse = new Map<string, string[]>();
  const byName = new Map<string, Routine[]>();
  const routines: Routine[] = [];

  for (const row of rows.routines) {
    const definition = definitionOf(row);
    const use = row.kind === 'a' ? NOTHING : await readBody(row.language, definition, row.source);
    const path = parseSearchPath(row.searchPath);
    const relations = (names: readonly NameInText[]): RelationId[] =>
      names.flatMap((name) => resolver.relation(name, path) ?? []);
    const id = relationId(row.schema, row.name);
    const writes = new Set(relations(use.writes));
    const declared = (row.dependsOn ?? []).map(([schema, name]) => relationId(schema, name));
    const routine: Routine = {
      id: `${id}(${row.arguments})`,
      schema: row.schema,
      name: row.name,
      kind: row.kind === 'a' ? 'aggregate' : row.kind === 'p' ? 'procedure' : 'function',
      language: row.language,
      signature: `(${row.arguments})`,
      ...optional('returns', row.returns),
      isTrigger: row.isTrigger,
      isSecurityDefiner: row.isSecurityDefiner,
      definition,
      reads: [...new Set([...relations(use.reads), ...declared.filter((name) => !writes.has(name))])].sort(),
      writes: [...writes].sort(),
      calls: [...new Set(use.calls.flatMap((name) => resolver.routine(name, path) ?? []))].sort(),
      isOpaque: use.isOpaque,
      grants: grantsOf(row.oid),
      ...optional('comment', row.comment),
    };
    routines.push(routine);
    byName.set(id, [...(byName.get(id) ?? []), routine]);
    for (const call of use.calls) {
      const extension = extensionOf.get(call.name);
      if (extension !== undefined && resolver.routine(call, path) === null)
        extensionUse.set(extension, [...(extensionUse.get(extension) ?? []), id]);
    }
  }
  return { routines, byName, extensionUse };
}
