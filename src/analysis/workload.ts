/** Statements as applications send them, resolved to relations: what is read and written together, and by whom. */
import type { DatabaseSchema } from '../model/database-schema.js';
import { relationId, type RelationId } from '../model/relation-id.js';
import type { StatementUse, WrittenName } from '../engines/engine.js';

/** A statement or a whole transaction. */
export interface ResolvedUse {
  readonly kind: 'query' | 'transaction';
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly user?: string;
  readonly reads: readonly RelationId[];
  readonly writes: readonly RelationId[];
  /** Columns read, per relation: what a read model or copied columns would need. */
  readonly columns: ReadonlyMap<RelationId, readonly string[]>;
}

export interface UsedStatement {
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly user?: string;
  readonly use: StatementUse;
}

export interface NameResolver {
  relation(name: WrittenName): RelationId | undefined;
  /** Relations that a view reads, the view itself replaced; views of views too. */
  expand(id: RelationId): readonly RelationId[];
  hasColumn(relation: RelationId, column: string): boolean;
}

/** Names without a schema are looked for in each schema of the database, the default first; case as the engine folds it. */
export function nameResolver(schema: DatabaseSchema, defaultSchema: string): NameResolver {
  const byId = new Map(schema.relations.map((relation) => [relation.id, relation]));
  const byName = new Map<string, RelationId>();
  const order = [defaultSchema, ...schema.schemas.filter((name) => name !== defaultSchema)];
  for (const name of [...order].reverse())
    for (const relation of schema.relations)
      if (relation.schema === name) {
        byName.set(relation.name.toLowerCase(), relation.id);
        byName.set(relation.name, relation.id);
      }
  const columns = new Map(
    schema.relations.map((relation) => [relation.id, new Set(relation.columns.map((column) => column.name))]),
  );
  const rootOf = (id: RelationId): RelationId => {
    const parent = byId.get(id)?.partitionOf?.parent;
    return parent === undefined ? id : rootOf(parent);
  };
  const expand = (id: RelationId, seen: ReadonlySet<RelationId>): RelationId[] => {
    const relation = byId.get(id);
    if (relation === undefined || seen.has(id)) return [];
    if (relation.kind !== 'view' && relation.kind !== 'materialized-view') return [rootOf(id)];
    return relation.reads.flatMap((read) => expand(read, new Set([...seen, id])));
  };
  return {
    relation: (name) => {
      if (name.schema === undefined) return byName.get(name.name) ?? byName.get(name.name.toLowerCase());
      const id = relationId(name.schema, name.name);
      return byId.has(id) ? id : undefined;
    },
    expand: (id) => [...new Set(expand(id, new Set()))].sort(),
    hasColumn: (relation, column) => columns.get(relation)?.has(column) === true,
  };
}

export function resolveUses(
  statements: readonly UsedStatement[],
  names: NameResolver,
): readonly ResolvedUse[] {
  return statements.flatMap((statement) => {
    const { use, ...rest } = statement;
    const found = (list: readonly WrittenName[]): RelationId[] =>
      [
        ...new Set(
          list.flatMap((name) => {
            const id = names.relation(name);
            return id === undefined ? [] : names.expand(id);
          }),
        ),
      ].sort();
    const reads = found(use.reads);
    const writes = found(use.writes);
    if (reads.length + writes.length === 0) return [];
    const columns = new Map<RelationId, string[]>();
    for (const { relation, column } of use.columns) {
      const id = names.relation(relation);
      if (id === undefined || (column !== '*' && !names.hasColumn(id, column))) continue;
      columns.set(id, [...new Set([...(columns.get(id) ?? []), column])].sort());
    }
    return [{ kind: 'query' as const, ...rest, reads, writes, columns }];
  });
}

/** Statements of one transaction as one use. */
export function asTransaction(uses: readonly ResolvedUse[]): ResolvedUse | null {
  const writes = [...new Set(uses.flatMap((use) => use.writes))].sort();
  if (writes.length === 0) return null;
  const reads = [...new Set(uses.flatMap((use) => use.reads))].sort();
  const first = uses[0] as ResolvedUse;
  return {
    kind: 'transaction',
    text: `writes ${writes.join(', ')}`,
    calls: 1,
    totalMs: uses.reduce((sum, use) => sum + use.totalMs, 0),
    ...(first.user === undefined ? {} : { user: first.user }),
    reads,
    writes,
    columns: new Map(),
  };
}

/** The same statement of the same user, sent many times, is one use with its calls. In the order in which they were first seen. */
export function countUses(uses: readonly ResolvedUse[]): readonly ResolvedUse[] {
  const counted = new Map<string, ResolvedUse>();
  for (const use of uses) {
    // The same words may mean other relations where another schema is searched first.
    const key = JSON.stringify([use.user ?? null, use.text, use.reads, use.writes]);
    const known = counted.get(key);
    counted.set(
      key,
      known === undefined
        ? use
        : { ...known, calls: known.calls + use.calls, totalMs: known.totalMs + use.totalMs },
    );
  }
  return [...counted.values()];
}

/** The same transaction seen many times becomes one with its calls. */
export function countTransactions(transactions: readonly ResolvedUse[]): readonly ResolvedUse[] {
  const counted = new Map<string, ResolvedUse>();
  for (const transaction of transactions) {
    const key = `${transaction.user ?? ''}|${transaction.text}|${transaction.reads.join()}`;
    const known = counted.get(key);
    counted.set(
      key,
      known === undefined
        ? transaction
        : { ...known, calls: known.calls + transaction.calls, totalMs: known.totalMs + transaction.totalMs },
    );
  }
  return [...counted.values()].sort((a, b) => b.calls - a.calls || (a.text < b.text ? -1 : 1));
}
