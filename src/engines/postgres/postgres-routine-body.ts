/**
 * Which relations a routine's text touches, read with the server's own grammar (libpg-query). Dynamic SQL and languages other
 * than SQL and PL/pgSQL cannot be read: the result says so instead of claiming that nothing is touched.
 */
import { loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';

export interface NameInText {
  readonly schema: string | null;
  readonly name: string;
}

export interface BodyUse {
  readonly reads: readonly NameInText[];
  readonly writes: readonly NameInText[];
  readonly calls: readonly NameInText[];
  readonly isOpaque: boolean;
}

export const OPAQUE: BodyUse = { reads: [], writes: [], calls: [], isOpaque: true };

type Node = Readonly<Record<string, unknown>>;
const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

class Collector {
  readonly reads = new Map<string, NameInText>();
  readonly writes = new Map<string, NameInText>();
  readonly calls = new Map<string, NameInText>();
  isOpaque = false;

  result(): BodyUse {
    return {
      reads: [...this.reads.values()],
      writes: [...this.writes.values()],
      calls: [...this.calls.values()],
      isOpaque: this.isOpaque,
    };
  }

  statement(sql: string): void {
    for (const { stmt } of (parseSync(sql) as { stmts: { stmt: Node }[] }).stmts) this.walk(stmt, new Set());
  }

  add(to: Map<string, NameInText>, name: NameInText): void {
    to.set(`${name.schema ?? ''}.${name.name}`, name);
  }

  private range(range: unknown, to: Map<string, NameInText>, ctes: ReadonlySet<string>): void {
    if (!isNode(range)) return;
    const name = range['relname'] as string;
    const schema = (range['schemaname'] as string | undefined) ?? null;
    if (schema === null && ctes.has(name)) return;
    this.add(to, { schema, name });
  }

  private query(statement: Node, ctes: ReadonlySet<string>): void {
    const inner = new Set(ctes);
    const withClause = statement['withClause'] as { recursive?: boolean; ctes?: Node[] } | undefined;
    for (const cte of withClause?.ctes ?? []) {
      const { ctename, ctequery } = cte['CommonTableExpr'] as { ctename: string; ctequery: unknown };
      if (withClause?.recursive === true) inner.add(ctename);
      this.walk(ctequery, inner);
      inner.add(ctename);
    }
    for (const [key, value] of Object.entries(statement)) {
      if (key === 'withClause') continue;
      if (key === 'relation') this.range(value, this.writes, new Set());
      else if ((key === 'larg' || key === 'rarg') && isNode(value)) this.query(value, inner);
      else this.walk(value, inner);
    }
  }

  walk(node: unknown, ctes: ReadonlySet<string>): void {
    if (Array.isArray(node)) {
      for (const item of node) this.walk(item, ctes);
      return;
    }
    if (!isNode(node)) return;
    for (const [key, value] of Object.entries(node)) {
      switch (key) {
        case 'RangeVar':
          this.range(value, this.reads, ctes);
          break;
        case 'SelectStmt':
        case 'InsertStmt':
        case 'UpdateStmt':
        case 'DeleteStmt':
        case 'MergeStmt':
          this.query(value as Node, ctes);
          break;
        case 'FuncCall': {
          const parts = ((value as Node)['funcname'] as { String: { sval: string } }[]).map(
            (p) => p.String.sval,
          );
          const name = parts.at(-1);
          if (name !== undefined) this.add(this.calls, { schema: parts.at(-2) ?? null, name });
          this.walk(value, ctes);
          break;
        }
        case 'CallStmt':
          this.walk({ FuncCall: (value as Node)['funccall'] }, ctes);
          break;
        case 'TruncateStmt':
          for (const relation of (value as { relations: Node[] }).relations)
            this.range(relation['RangeVar'], this.writes, ctes);
          break;
        case 'CopyStmt': {
          const copy = value as Node;
          this.range(copy['relation'], copy['is_from'] === true ? this.writes : this.reads, ctes);
          this.walk(copy['query'], ctes);
          break;
        }
        default:
          this.walk(value, ctes);
      }
    }
  }

  /** PL/pgSQL: every embedded expression, whichever statement holds it. */
  plpgsql(node: unknown): void {
    if (Array.isArray(node)) {
      for (const item of node) this.plpgsql(item);
      return;
    }
    if (!isNode(node)) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === 'PLpgSQL_stmt_dynexecute' || key === 'PLpgSQL_stmt_dynfors' || key === 'dynquery')
        this.isOpaque = true;
      if (key === 'PLpgSQL_expr') {
        const { query, parseMode } = value as { query: string; parseMode?: number };
        this.expression(query, parseMode ?? 0);
      } else if (key === 'PLpgSQL_type') this.declared((value as { typname: string }).typname);
      else this.plpgsql(value);
    }
  }

  /** Modes: 0 a statement, 2 an expression, 3 and up an assignment `target := expression`. */
  private expression(query: string, mode: number): void {
    const text = mode === 0 ? query : `SELECT ${mode >= 3 ? query.replace(/^[^=]*?:?=/, '') : query}`;
    try {
      this.statement(text);
    } catch {
      this.isOpaque = true;
    }
  }

  /** `orders%ROWTYPE`, `shop.orders.id%TYPE`, `shop.orders`. */
  private declared(type: string): void {
    const suffix = /%(rowtype|type)$/i.exec(type.trim());
    const bare = type
      .trim()
      .replace(/%(rowtype|type)$/i, '')
      .trim();
    const parts = [...bare.matchAll(/"((?:[^"]|"")+)"|([\w$]+)/g)].map(
      (m) => m[1]?.replaceAll('""', '"') ?? (m[2] as string),
    );
    if (suffix?.[1]?.toLowerCase() === 'type') parts.pop();
    const name = parts.at(-1);
    if (name !== undefined && parts.length <= 2) this.add(this.reads, { schema: parts.at(-2) ?? null, name });
  }
}

/** @param definition the complete CREATE FUNCTION or PROCEDURE; `source` its body. */
export async function readBody(language: string, definition: string, source: string): Promise<BodyUse> {
  if (language !== 'sql' && language !== 'plpgsql') return OPAQUE;
  await loadModule();
  const collector = new Collector();
  try {
    if (language === 'plpgsql') collector.plpgsql(parsePlPgSQLSync(definition));
    // An SQL-standard body has no text of its own: it stands in the definition.
    else collector.statement(source === '' ? definition : source);
  } catch {
    return OPAQUE;
  }
  return collector.result();
}
