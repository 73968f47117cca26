import { parseRelationId, relationId, type RelationId } from '../../model/relation-id.js';
import type { NameInText } from './postgres-routine-body.js';

/**
 * Names in a routine's text mean what the caller's search_path says at run time. dbps takes the routine's own SET search_path, then
 * `public`, then the only object of that name anywhere.
 */
export class NameResolver {
  private readonly relations: ReadonlySet<RelationId>;
  private readonly routines: ReadonlySet<string>;
  private readonly byName = new Map<string, RelationId[]>();

  constructor(relations: readonly RelationId[], routines: readonly string[]) {
    this.relations = new Set(relations);
    this.routines = new Set(routines);
    for (const id of new Set([...relations, ...routines])) {
      const { name } = parseRelationId(id);
      this.byName.set(name, [...(this.byName.get(name) ?? []), id]);
    }
  }

  relation(name: NameInText, searchPath: readonly string[]): RelationId | null {
    return this.find(this.relations, name, searchPath);
  }

  routine(name: NameInText, searchPath: readonly string[]): string | null {
    return this.find(this.routines, name, searchPath);
  }

  private find(known: ReadonlySet<string>, name: NameInText, searchPath: readonly string[]): string | null {
    if (name.schema !== null) {
      const id = relationId(name.schema, name.name);
      return known.has(id) ? id : null;
    }
    for (const schema of [...searchPath, 'public']) {
      const id = relationId(schema, name.name);
      if (known.has(id)) return id;
    }
    const candidates = (this.byName.get(name.name) ?? []).filter((id) => known.has(id));
    return candidates.length === 1 ? (candidates[0] as string) : null;
  }
}

/** `pg_catalog, "Odd", shop` → the schemas of a user's. */
export function parseSearchPath(text: string | null): readonly string[] {
  if (text === null) return [];
  return [...text.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)]
    .map((match) => match[1]?.replaceAll('""', '"') ?? (match[2] as string))
    .filter((schema) => schema !== '' && schema !== '$user' && !schema.startsWith('pg_'));
}
