/** The schema while a dump is being read: drafts that statements fill, and how names find them. */
import type { RangeVar } from 'libpg-query';
import type {
  Column,
  DatabaseSchema,
  Relation,
  RelationKind,
  Routine,
  Sequence,
  UnsupportedObject,
  UserType,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import type { StatementUse, WrittenName } from '../engine.js';
import { readRoutine } from './postgres-statement-reader.js';
import { mayBeRowType } from './postgres-type-names.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };
export type ColumnDraft = Writable<Column>;
export type RelationDraft = Omit<Writable<Relation>, 'columns'> & { columns: ColumnDraft[] };
export type SequenceDraft = Writable<Sequence>;
export type RoutineDraft = Writable<Routine> & { arguments: string };

export interface DumpHeader {
  readonly product: string;
  readonly version: number;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export class DumpSchema {
  readonly relations = new Map<RelationId, RelationDraft>();
  readonly sequences = new Map<RelationId, SequenceDraft>();
  readonly routines: RoutineDraft[] = [];
  readonly types = new Map<RelationId, UserType>();
  /** Internal names of what domains stand on: their model has the display name only. */
  readonly domainBases = new Map<RelationId, string>();
  readonly extensions: { name: string; schema: string; version: string }[] = [];
  readonly schemas = new Set<string>();
  readonly unsupported: UnsupportedObject[] = [];
  /** As SET by the script; pg_dump empties it and qualifies every name. */
  searchPath: readonly string[];
  /** What views read, resolved once every relation is known. */
  private readonly viewUses = new Map<RelationId, { use: StatementUse; path: readonly string[] }>();
  /** Types that views and signatures name, which may be the row types of relations: the server depends on these as on a read. */
  private readonly typeNames = new Map<object, { names: readonly WrittenName[]; path: readonly string[] }>();

  constructor(readonly defaultSchema: string) {
    this.searchPath = [defaultSchema];
  }

  get creationSchema(): string {
    return this.searchPath[0] ?? this.defaultSchema;
  }

  /** The relation meant: as written, or the first of the search path that exists, or where it would be created. */
  resolve(name: WrittenName, path: readonly string[] = this.searchPath): RelationId {
    if (name.schema !== undefined) return relationId(name.schema, name.name);
    for (const schema of [...path, this.defaultSchema]) {
      const id = relationId(schema, name.name);
      if (this.relations.has(id) || this.sequences.has(id)) return id;
    }
    return relationId(path[0] ?? this.defaultSchema, name.name);
  }

  resolveRange(range: RangeVar | undefined): RelationId {
    return this.resolve(written(range));
  }

  typeId(schema: string | undefined, name: string): RelationId | undefined {
    if (schema !== undefined) {
      const id = relationId(schema, name);
      return this.types.has(id) ? id : undefined;
    }
    for (const candidate of [...this.searchPath, this.defaultSchema]) {
      const id = relationId(candidate, name);
      if (this.types.has(id)) return id;
    }
    return undefined;
  }

  /** The relation that is already there and whose row type (or an array of it) this is. */
  rowTypeOf(type: { readonly schema: string | undefined; readonly name: string }): RelationId | undefined {
    if (!mayBeRowType(type)) return undefined;
    const id = this.resolve({ name: type.name, ...(type.schema !== undefined && { schema: type.schema }) });
    return this.relations.has(id) ? id : undefined;
  }

  /** Family of a user's type, as the introspector names it: that of a domain's base, `enum`, `composite`, or its own name. */
  baseTypeOf(id: RelationId): string {
    const type = this.types.get(id);
    if (type?.kind === 'domain') return this.domainBases.get(id) ?? type.name;
    return type?.kind === 'enum' || type?.kind === 'composite' ? type.kind : (type?.name ?? '');
  }

  addRelation(range: RangeVar | undefined, kind: RelationKind): RelationDraft {
    const schema = range?.schemaname ?? this.creationSchema;
    const name = range?.relname ?? '';
    this.schemas.add(schema);
    const draft: RelationDraft = {
      id: relationId(schema, name),
      schema,
      name,
      kind,
      columns: [],
      keys: [],
      checks: [],
      exclusions: [],
      foreignKeys: [],
      indexes: [],
      triggers: [],
      rules: [],
      policies: [],
      rowSecurity: 'off',
      grants: [],
      inherits: [],
      replicaIdentity: { kind: 'default' },
      persistence:
        range?.relpersistence === 'u'
          ? 'unlogged'
          : range?.relpersistence === 't'
            ? 'temporary'
            : 'permanent',
      options: [],
      estimatedRows: null,
      bytes: null,
      reads: [],
      calls: [],
    };
    this.relations.set(draft.id, draft);
    return draft;
  }

  recordView(draft: RelationDraft, use: StatementUse): void {
    this.viewUses.set(draft.id, { use, path: this.searchPath });
  }

  recordTypes(of: RelationDraft | RoutineDraft, names: readonly WrittenName[]): void {
    this.typeNames.set(of, { names, path: this.searchPath });
  }

  private rowTypesOf(of: RelationDraft | RoutineDraft): RelationId[] {
    const { names, path } = this.typeNames.get(of) ?? { names: [], path: [] };
    return this.resolveAll(names, path);
  }

  addSequence(schema: string, name: string, fields: Partial<SequenceDraft> = {}): SequenceDraft {
    const id = relationId(schema, name);
    const draft: SequenceDraft = {
      id,
      schema,
      name,
      type: 'bigint',
      start: '1',
      minimum: '1',
      maximum: '9223372036854775807',
      increment: '1',
      cache: '1',
      isCycling: false,
      lastValue: null,
      isIdentity: false,
      usedBy: [],
      grants: [],
      ...fields,
    };
    this.sequences.set(id, draft);
    return draft;
  }

  /** Carries a new name into everything that refers to the old one. */
  rename(from: RelationId, schema: string, name: string): void {
    const draft = this.relations.get(from);
    if (draft === undefined) return;
    const to = relationId(schema, name);
    this.relations.delete(from);
    Object.assign(draft, { id: to, schema, name });
    this.relations.set(to, draft);
    this.schemas.add(schema);
    for (const other of this.relations.values()) {
      other.foreignKeys = other.foreignKeys.map((key) =>
        key.parent === from ? { ...key, parent: to } : key,
      );
      other.inherits = other.inherits.map((parent) => (parent === from ? to : parent));
      if (other.partitionOf?.parent === from) other.partitionOf = { ...other.partitionOf, parent: to };
    }
    for (const sequence of this.sequences.values())
      if (sequence.ownedBy?.relation === from)
        sequence.ownedBy = { relation: to, column: sequence.ownedBy.column };
  }

  renameColumn(relation: RelationId, from: string, to: string): void {
    const swap = (name: string): string => (name === from ? to : name);
    const draft = this.relations.get(relation);
    if (draft === undefined) return;
    for (const column of draft.columns) column.name = swap(column.name);
    draft.keys = draft.keys.map((key) => ({ ...key, columns: key.columns.map(swap) }));
    draft.indexes = draft.indexes.map((index) => ({ ...index, columns: index.columns.map(swap) }));
    draft.foreignKeys = draft.foreignKeys.map((key) => ({ ...key, columns: key.columns.map(swap) }));
    for (const other of this.relations.values())
      other.foreignKeys = other.foreignKeys.map((key) =>
        key.parent === relation ? { ...key, parentColumns: key.parentColumns.map(swap) } : key,
      );
  }

  /** Completes what could only be known at the end, and sorts. */
  finish(header: DumpHeader, database: string): DatabaseSchema {
    this.inheritColumns();
    for (const draft of this.relations.values()) {
      draft.foreignKeys = draft.foreignKeys.map((key) =>
        key.parentColumns.length > 0
          ? key
          : {
              ...key,
              parentColumns:
                this.relations.get(key.parent)?.keys.find((unique) => unique.kind === 'primary')?.columns ??
                [],
            },
      );
      draft.columns.forEach((column, index) => (column.position = index + 1));
      for (const column of draft.columns) if (column.sequence !== undefined) this.noteUse(draft, column);
    }
    for (const [id, { use, path }] of this.viewUses) {
      const draft = this.relations.get(id);
      if (draft === undefined) continue;
      draft.reads = union(this.resolveAll(use.reads, path), this.rowTypesOf(draft)).filter(
        (read) => read !== id,
      );
      draft.calls = this.resolveCalls(use.calls, path);
      this.completeViewColumns(draft, use, path);
    }
    this.readRoutines();
    const relations = [...this.relations.values()].sort((a, b) => byText(a.id, b.id));
    for (const draft of relations) {
      draft.keys.sort((a, b) => byText(a.name, b.name));
      draft.foreignKeys.sort((a, b) => byText(a.name, b.name));
      draft.indexes.sort((a, b) => byText(a.name, b.name));
      draft.triggers.sort((a, b) => byText(a.name, b.name));
    }
    return {
      engine: 'postgres',
      product: header.product,
      version: header.version,
      database,
      origin: 'dump',
      schemas: [...this.schemas].sort(byText),
      relations,
      types: [...this.types.values()].sort((a, b) => byText(a.schema, b.schema) || byText(a.name, b.name)),
      sequences: [...this.sequences.values()].sort((a, b) => byText(a.id, b.id)),
      routines: this.routines
        .map(({ arguments: _, ...routine }) => routine)
        .sort((a, b) => byText(a.id, b.id) || byText(a.signature, b.signature)),
      extensions: this.extensions.sort((a, b) => byText(a.name, b.name)),
      unsupported: this.unsupported,
    };
  }

  private noteUse(draft: RelationDraft, column: ColumnDraft): void {
    const sequence = this.sequences.get(column.sequence as RelationId);
    sequence?.usedBy.push({ relation: draft.id, column: column.name });
  }

  /** Partitions and inheritance children written without a column list have their parent's columns. */
  private inheritColumns(): void {
    const done = new Set<RelationId>();
    const complete = (draft: RelationDraft): void => {
      if (done.has(draft.id)) return;
      done.add(draft.id);
      const parents = draft.partitionOf === undefined ? draft.inherits : [draft.partitionOf.parent];
      const inherited: ColumnDraft[] = [];
      for (const parentId of parents) {
        const parent = this.relations.get(parentId);
        if (parent === undefined) continue;
        complete(parent);
        for (const column of parent.columns) {
          const own = draft.columns.find((candidate) => candidate.name === column.name);
          if (own !== undefined) own.isInherited ||= draft.partitionOf === undefined;
          else if (!inherited.some((candidate) => candidate.name === column.name)) {
            const { comment: _comment, sequence: _sequence, identity: _identity, ...rest } = column;
            inherited.push({ ...rest, isInherited: true });
          }
        }
      }
      draft.columns.unshift(...inherited);
    };
    for (const draft of this.relations.values()) complete(draft);
  }

  private resolveAll(names: readonly WrittenName[], path: readonly string[]): RelationId[] {
    const found = names.map((name) => this.resolve(name, path)).filter((id) => this.relations.has(id));
    return [...new Set(found)].sort(byText);
  }

  private resolveCalls(names: readonly WrittenName[], path: readonly string[]): string[] {
    const known = new Set(this.routines.map((routine) => relationId(routine.schema, routine.name)));
    const ids = names.flatMap((name) => {
      const schemas = name.schema === undefined ? [...path, this.defaultSchema] : [name.schema];
      return schemas
        .map((schema) => relationId(schema, name.name))
        .filter((id) => known.has(id))
        .slice(0, 1);
    });
    return [...new Set(ids)].sort(byText);
  }

  /** Types of view columns that merely pass a column through; the rest stay unknown. */
  private completeViewColumns(draft: RelationDraft, use: StatementUse, path: readonly string[]): void {
    for (const column of draft.columns) {
      if (column.type !== '') continue;
      const sources = use.columns.filter((candidate) => candidate.column === column.name);
      const source = sources
        .map(({ relation }) => this.relations.get(this.resolve(relation, path)))
        .flatMap((relation) => relation?.columns.filter((candidate) => candidate.name === column.name) ?? [])
        .at(0);
      column.type = source?.type ?? 'unknown';
      column.baseType = source?.baseType ?? 'unknown';
    }
  }

  private readRoutines(): void {
    const byId = new Map<string, RoutineDraft>();
    for (const routine of this.routines) {
      byId.set(relationId(routine.schema, routine.name), routine);
      if (routine.kind === 'aggregate') continue;
      const use = readRoutine(routine.definition);
      // A body is resolved when it runs, by the caller's path: the default schema is the likeliest.
      routine.writes = this.resolveAll(use.writes, [this.defaultSchema]);
      const rowTypes = this.rowTypesOf(routine).filter((id) => !routine.writes.includes(id));
      routine.reads = union(this.resolveAll(use.reads, [this.defaultSchema]), rowTypes);
      routine.calls = this.resolveCalls(use.calls, [this.defaultSchema]);
      routine.isOpaque = use.isOpaque;
    }
    for (const draft of this.relations.values())
      draft.triggers = draft.triggers.map((trigger) => {
        const routine = byId.get(trigger.routine ?? '');
        return routine === undefined ? trigger : { ...trigger, reads: routine.reads, writes: routine.writes };
      });
  }
}

function union(left: readonly RelationId[], right: readonly RelationId[]): RelationId[] {
  return [...new Set([...left, ...right])].sort(byText);
}

export function written(range: RangeVar | undefined): WrittenName {
  const name = range?.relname ?? '';
  return range?.schemaname === undefined ? { name } : { schema: range.schemaname, name };
}
