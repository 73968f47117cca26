/**
 * What a statement, view or routine body touches, read with the server's own grammar (libpg-query). Used for
 * the workload, for view and routine dependencies in dumps, and for routine bodies of live databases, which the
 * server's catalogue does not look into.
 */
import { loadModule, parsePlPgSQLSync, parseSync, type Node } from 'libpg-query';
import type { StatementReader, StatementUse, WrittenName } from '../engine.js';
import { splitStatements, type StatementSyntax } from '../statement-splitter.js';

/** What a routine's body touches; `isOpaque` when some of it could not be read (dynamic SQL, another language). */
export interface RoutineUse {
  readonly reads: readonly WrittenName[];
  readonly writes: readonly WrittenName[];
  readonly calls: readonly WrittenName[];
  readonly isOpaque: boolean;
}

/** Resolves once the grammar is loaded; the synchronous functions below need that. */
export const prepareGrammar: () => Promise<void> = loadModule;

export const postgresStatementReader: StatementReader = {
  async read(texts) {
    await prepareGrammar();
    return texts.map((text) => {
      try {
        return readStatements(text);
      } catch {
        return readWithPlaces(text);
      }
    });
  },
  split: (text) => splitStatements(text, SYNTAX),
};

const SYNTAX: StatementSyntax = {
  hasBackslashEscapes: false,
  hasHashComments: false,
  hasNestedComments: true,
  hasDollarQuotes: true,
  hasDelimiterCommand: false,
};

/** Quoted text and casts are passed over; drivers and libraries write a value's place as `?`, `:name` or `@name`. */
const PLACES = /'(?:[^']|'')*'|"(?:[^"]|"")*"|::|(\?|(?<![\w:])[:@][A-Za-z_]\w*)/g;

/** Where the server itself would not take the text, its places may be those of a library. */
function readWithPlaces(text: string): StatementUse | null {
  try {
    return readStatements(
      text.replaceAll(PLACES, (whole, place: string | undefined) => (place === undefined ? whole : '$1')),
    );
  } catch {
    return null;
  }
}

/** @throws SqlError of libpg-query when the text cannot be parsed. */
export function readStatements(sql: string): StatementUse {
  const use = new UseCollector();
  for (const { stmt } of parseSync(sql).stmts ?? []) if (stmt !== undefined) use.statement(stmt);
  return use.result();
}

/** A parsed tree (a view's query, a rule's action). */
export function readTree(nodes: readonly (Node | undefined)[]): StatementUse {
  const use = new UseCollector();
  for (const node of nodes) if (node !== undefined) use.statement(node);
  return use.result();
}

const TRANSACTION_CONTROL = new Set([
  'TRANS_STMT_BEGIN',
  'TRANS_STMT_START',
  'TRANS_STMT_COMMIT',
  'TRANS_STMT_ROLLBACK',
]);

/**
 * The body of a CREATE FUNCTION or CREATE PROCEDURE text. Never throws: what cannot be read makes it opaque.
 */
export function readRoutine(createStatement: string): RoutineUse {
  try {
    const stmt = parseSync(createStatement).stmts?.[0]?.stmt;
    if (stmt === undefined || !('CreateFunctionStmt' in stmt)) return OPAQUE;
    const create = stmt.CreateFunctionStmt;
    if (create.sql_body !== undefined) return { ...readTree([create.sql_body]), isOpaque: false };
    let language = 'sql';
    let body: string | undefined;
    for (const option of create.options ?? []) {
      if (!('DefElem' in option)) continue;
      const { defname, arg } = option.DefElem;
      if (defname === 'language' && arg !== undefined && 'String' in arg)
        language = (arg.String.sval ?? 'sql').toLowerCase();
      if (defname === 'as' && arg !== undefined && 'List' in arg) {
        const first = arg.List.items?.[0];
        if (first !== undefined && 'String' in first) body = first.String.sval;
      }
    }
    if (language === 'plpgsql') return readPlPgSql(createStatement);
    if (language === 'sql' && body !== undefined) return { ...readStatements(body), isOpaque: false };
    return OPAQUE;
  } catch {
    return OPAQUE;
  }
}

const OPAQUE: RoutineUse = { reads: [], writes: [], calls: [], isOpaque: true };

function readPlPgSql(createStatement: string): RoutineUse {
  const tree: unknown = parsePlPgSQLSync(createStatement);
  const use = new UseCollector();
  let isOpaque = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (key === 'PLpgSQL_stmt_dynexecute' || key === 'PLpgSQL_stmt_dynfors' || key === 'dynquery')
        isOpaque = true;
      if (key === 'PLpgSQL_expr' && typeof (child as { query?: unknown }).query === 'string') {
        if (!readExpression((child as { query: string }).query, use)) isOpaque = true;
      } else visit(child);
    }
  };
  visit(tree);
  return { ...use.result(), isOpaque };
}

/** PL/pgSQL stores statements, bare expressions and assignments alike as one text. */
function readExpression(query: string, use: UseCollector): boolean {
  const assignment = /^\s*[\w."[\]\s]+?:?=(?!=)/.exec(query);
  const attempts = [query, `SELECT ${query}`];
  if (assignment !== null) attempts.push(`SELECT ${query.slice(assignment[0].length)}`);
  for (const attempt of attempts) {
    try {
      for (const { stmt } of parseSync(attempt).stmts ?? []) if (stmt !== undefined) use.statement(stmt);
      return true;
    } catch {
      // The next form may fit.
    }
  }
  return false;
}

interface Scope {
  readonly parent: Scope | null;
  readonly ctes: Set<string>;
  /** Alias or name → relation; null for a subquery, function or CTE. */
  readonly aliases: Map<string, WrittenName | null>;
}

type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const keyOf = (name: WrittenName): string => JSON.stringify([name.schema ?? null, name.name]);

/** Strings of a qualified name: `[{String: {sval}}, …]`; `*` for A_Star. */
function parts(list: unknown): string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown) => {
    if (!isTree(item)) return [];
    if (isTree(item['String']) && typeof item['String']['sval'] === 'string') return [item['String']['sval']];
    return 'A_Star' in item ? ['*'] : [];
  });
}

/** Walks a tree with the scoping rules of SQL: CTE names hide relations, aliases stand for them. */
class UseCollector {
  private readonly reads = new Map<string, WrittenName>();
  private readonly writes = new Map<string, WrittenName>();
  private readonly columns = new Map<string, { relation: WrittenName; column: string }>();
  private readonly calls = new Map<string, WrittenName>();
  private readonly joins = new Map<string, StatementUse['joins'][number]>();
  private isTransactionControl = false;

  statement(node: Node): void {
    this.walk(node, { parent: null, ctes: new Set(), aliases: new Map() });
  }

  result(): StatementUse {
    return {
      reads: [...this.reads.values()],
      writes: [...this.writes.values()],
      joins: [...this.joins.values()],
      columns: [...this.columns.values()],
      calls: [...this.calls.values()],
      isTransactionControl: this.isTransactionControl,
    };
  }

  private walk(value: unknown, scope: Scope): void {
    if (Array.isArray(value)) {
      for (const item of value) this.walk(item, scope);
      return;
    }
    if (!isTree(value)) return;
    for (const [key, child] of Object.entries(value)) this.visit(key, child, scope);
  }

  private visit(key: string, child: unknown, scope: Scope): void {
    if (!isTree(child)) {
      this.walk(child, scope);
      return;
    }
    switch (key) {
      case 'SelectStmt':
      case 'larg':
      case 'rarg':
        // larg and rarg of a set operation are bare SelectStmts; those of a join are wrapped nodes.
        if (key === 'SelectStmt' || 'op' in child || 'targetList' in child || 'valuesLists' in child)
          this.query(child, scope);
        else this.walk(child, scope);
        return;
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        this.query(child, scope, child['relation']);
        return;
      case 'RangeVar':
        this.table(child, scope, 'read');
        return;
      case 'rel':
      case 'into':
        // SELECT … INTO and CREATE TABLE AS name a new relation, which is nobody's yet.
        return;
      case 'TruncateStmt':
        for (const item of child['relations'] as Tree[]) this.table(item['RangeVar'], scope, 'write');
        return;
      case 'CopyStmt':
        if (isTree(child['relation']))
          this.table(child['relation'], scope, child['is_from'] === true ? 'write' : 'read');
        this.walk(child['query'], scope);
        return;
      case 'LockStmt':
        return;
      case 'TransactionStmt':
        if (TRANSACTION_CONTROL.has(String(child['kind']))) this.isTransactionControl = true;
        return;
      case 'FuncCall': {
        const name = parts(child['funcname']);
        const last = name.at(-1);
        if (last !== undefined) {
          const schema = name.length > 1 ? name.at(-2) : undefined;
          const call = schema === undefined ? { name: last } : { schema, name: last };
          this.calls.set(keyOf(call), call);
        }
        this.walk(child, scope);
        return;
      }
      case 'ColumnRef':
        this.column(parts(child['fields']), scope);
        return;
      case 'A_Expr':
        this.equality(child, scope);
        this.walk(child, scope);
        return;
      case 'JoinExpr':
        this.using(child, scope);
        this.walk(child, scope);
        return;
      default:
        this.walk(child, scope);
    }
  }

  private query(stmt: Tree, outer: Scope, target?: unknown): void {
    const scope: Scope = { parent: outer, ctes: new Set(), aliases: new Map() };
    const withClause = stmt['withClause'];
    if (isTree(withClause)) {
      for (const item of (withClause['ctes'] ?? []) as Tree[]) {
        const cte = item['CommonTableExpr'] as Tree;
        const name = String(cte['ctename']);
        if (withClause['recursive'] === true) scope.ctes.add(name);
        this.walk(cte['ctequery'], { parent: scope, ctes: new Set(), aliases: new Map() });
        scope.ctes.add(name);
      }
    }
    if (isTree(target)) this.table(target, scope, 'write');
    const from = ['fromClause', 'usingClause', 'sourceRelation'];
    for (const key of from) if (stmt[key] !== undefined) this.declare(stmt[key], scope);
    for (const key of from) if (stmt[key] !== undefined) this.walk(stmt[key], scope);
    for (const [key, child] of Object.entries(stmt)) {
      if (key === 'withClause' || key === 'relation' || key === 'intoClause' || from.includes(key)) continue;
      this.visit(key, child, scope);
    }
  }

  /** Aliases first: conditions of a join may come before what they name has been walked. */
  private declare(value: unknown, scope: Scope): void {
    if (Array.isArray(value)) return value.forEach((item) => this.declare(item, scope));
    if (!isTree(value)) return;
    if (isTree(value['RangeVar'])) this.alias(value['RangeVar'], scope);
    else if (isTree(value['JoinExpr'])) {
      this.declare(value['JoinExpr']['larg'], scope);
      this.declare(value['JoinExpr']['rarg'], scope);
    } else
      for (const kind of ['RangeSubselect', 'RangeFunction', 'RangeTableFunc', 'JsonTable']) {
        const alias = isTree(value[kind]) ? value[kind]['alias'] : undefined;
        if (isTree(alias)) scope.aliases.set(String(alias['aliasname']), null);
      }
  }

  private alias(range: Tree, scope: Scope): WrittenName | null {
    const name = String(range['relname']);
    const schema = range['schemaname'];
    const alias = isTree(range['alias']) ? String(range['alias']['aliasname']) : name;
    const relation =
      typeof schema === 'string' ? { schema, name } : this.isCte(name, scope) ? null : { name };
    scope.aliases.set(alias, relation);
    return relation;
  }

  private table(range: unknown, scope: Scope, use: 'read' | 'write'): void {
    if (!isTree(range)) return;
    const relation = this.alias(range, scope);
    if (relation !== null) (use === 'read' ? this.reads : this.writes).set(keyOf(relation), relation);
  }

  private isCte(name: string, scope: Scope): boolean {
    for (let at: Scope | null = scope; at !== null; at = at.parent) if (at.ctes.has(name)) return true;
    return false;
  }

  private lookUp(alias: string, scope: Scope): WrittenName | null {
    for (let at: Scope | null = scope; at !== null; at = at.parent) {
      const found = at.aliases.get(alias);
      if (found !== undefined) return found;
    }
    return null;
  }

  private addColumn(relation: WrittenName, column: string): void {
    this.columns.set(`${keyOf(relation)}.${column}`, { relation, column });
  }

  private column(fields: readonly string[], scope: Scope): void {
    const column = fields.at(-1);
    if (column === undefined) return;
    if (fields.length >= 2) {
      const relation = this.lookUp(fields.at(-2) as string, scope);
      if (relation !== null) this.addColumn(relation, column);
      return;
    }
    for (const relation of scope.aliases.values()) if (relation !== null) this.addColumn(relation, column);
  }

  private addJoin(left: WrittenName, leftColumn: string, right: WrittenName, rightColumn: string): void {
    if (keyOf(left) === keyOf(right)) return;
    this.joins.set(`${keyOf(left)}.${leftColumn}=${keyOf(right)}.${rightColumn}`, {
      left,
      leftColumn,
      right,
      rightColumn,
    });
  }

  private equality(expression: Tree, scope: Scope): void {
    if (expression['kind'] !== 'AEXPR_OP' || parts(expression['name'])[0] !== '=') return;
    const side = (value: unknown): [WrittenName, string] | null => {
      if (!isTree(value) || !isTree(value['ColumnRef'])) return null;
      const fields = parts(value['ColumnRef']['fields']);
      const relation = fields.length >= 2 ? this.lookUp(fields.at(-2) as string, scope) : null;
      return relation === null ? null : [relation, fields.at(-1) as string];
    };
    const left = side(expression['lexpr']);
    const right = side(expression['rexpr']);
    if (left !== null && right !== null) this.addJoin(left[0], left[1], right[0], right[1]);
  }

  private using(join: Tree, scope: Scope): void {
    const columns = parts(join['usingClause']);
    if (columns.length === 0) return;
    const sideOf = (value: unknown): WrittenName | null => {
      if (!isTree(value) || !isTree(value['RangeVar'])) return null;
      const range = value['RangeVar'];
      const alias = isTree(range['alias']) ? range['alias']['aliasname'] : range['relname'];
      return this.lookUp(String(alias), scope);
    };
    const left = sideOf(join['larg']);
    const right = sideOf(join['rarg']);
    for (const column of columns) {
      if (left !== null) this.addColumn(left, column);
      if (right !== null) this.addColumn(right, column);
      if (left !== null && right !== null) this.addJoin(left, column, right, column);
    }
  }
}
