/**
 * What a MySQL or MariaDB statement touches. A walk over tokens, not a grammar: digests and cut-off text must be read
 * too. Names after FROM, JOIN, INTO, UPDATE, TABLE are relations unless a common table expression has that name.
 */
import type { StatementReader, StatementUse, WrittenName } from '../engine.js';
import { splitStatements, type StatementSyntax } from '../statement-splitter.js';
import { readTokens, type Token } from './mysql-lexer.js';

export const mysqlStatementReader: StatementReader = {
  async read(texts) {
    return texts.map((text) => readMysqlStatement(text));
  },
  split: (text) => splitStatements(text, SYNTAX),
};

const SYNTAX: StatementSyntax = {
  hasBackslashEscapes: true,
  hasHashComments: true,
  hasNestedComments: false,
  hasDollarQuotes: false,
  hasDelimiterCommand: true,
};

const RESERVED = new Set(
  'select from join straight_join inner left right cross natural outer on using where group order by having limit set values value into update insert replace delete ignore low_priority high_priority quick delayed force use key index union except intersect as with recursive lateral partition for lock window table truncate if not exists and or returning duplicate do call procedure begin end then else elseif loop while repeat until declare case when return open fetch close cursor handler'.split(
    ' ',
  ),
);
const JOIN_WORDS = new Set([
  'inner',
  'left',
  'right',
  'cross',
  'natural',
  'outer',
  'join',
  'straight_join',
  ',',
]);
/** EXTRACT(x FROM y), TRIM(BOTH x FROM y), SUBSTRING(a FROM 1): a FROM that names no relation. */
const FROM_FUNCTIONS = new Set(['extract', 'trim', 'substring', 'substr', 'position', 'mid']);

export function readMysqlStatement(sql: string): StatementUse {
  return new MysqlUse(readTokens(sql)).read();
}

const keyOf = (name: WrittenName): string => JSON.stringify([name.schema ?? null, name.name]);

class MysqlUse {
  private readonly reads = new Map<string, WrittenName>();
  private readonly writes = new Map<string, WrittenName>();
  private readonly aliases = new Map<string, WrittenName>();
  private readonly ctes = new Set<string>();
  private readonly calls = new Map<string, WrittenName>();

  constructor(private readonly tokens: readonly Token[]) {}

  read(): StatementUse {
    const { tokens } = this;
    this.collectCtes();
    for (let at = 0; at < tokens.length; at += 1) this.token(at);
    this.resolveTargets();
    const columns = new Map<string, StatementUse['columns'][number]>();
    const joins = new Map<string, StatementUse['joins'][number]>();
    this.readColumns(columns, joins);
    const first = tokens[0]?.word ?? '';
    return {
      reads: [...this.reads.values()],
      writes: [...this.writes.values()],
      joins: [...joins.values()],
      columns: [...columns.values()],
      calls: [...this.calls.values()],
      isTransactionControl: /^(?:begin|start|commit|rollback)$/.test(first) && !this.has('select', 'insert'),
    };
  }

  private has(...words: string[]): boolean {
    return this.tokens.some((token) => words.includes(token.word));
  }

  private is(at: number, ...words: string[]): boolean {
    return words.includes(this.tokens[at]?.word ?? '\0');
  }

  private skip(at: number, ...words: string[]): number {
    let next = at;
    while (this.is(next, ...words)) next += 1;
    return next;
  }

  private isIdentifier(at: number): boolean {
    const token = this.tokens[at];
    if (token === undefined) return false;
    return (
      token.kind === 'quoted' ||
      (token.kind === 'name' && (!RESERVED.has(token.word) || this.is(at - 1, '.')))
    );
  }

  /** `a`, `a.b` or `a.b.c` at a token, with where it ends. */
  private dotted(at: number): { parts: string[]; end: number } | null {
    if (!this.isIdentifier(at)) return null;
    const parts = [(this.tokens[at] as Token).value];
    let end = at + 1;
    while (this.is(end, '.') && (this.isIdentifier(end + 1) || this.is(end + 1, '*'))) {
      parts.push((this.tokens[end + 1] as Token).value);
      end += 2;
    }
    return { parts, end };
  }

  private collectCtes(): void {
    for (let at = 0; at < this.tokens.length; at += 1) {
      if (!this.is(at, 'with', ',')) continue;
      const name = this.skip(at + 1, 'recursive');
      if (!this.isIdentifier(name)) continue;
      let as = name + 1;
      if (this.is(as, '(')) as = this.closing(as) + 1;
      if (
        this.is(as, 'as') &&
        this.is(as + 1, '(') &&
        this.is(as + 2, 'select', 'with', 'values', 'table', '(')
      )
        this.ctes.add((this.tokens[name] as Token).value.toLowerCase());
    }
  }

  private closing(open: number): number {
    let depth = 0;
    for (let at = open; at < this.tokens.length; at += 1) {
      if (this.is(at, '(')) depth += 1;
      else if (this.is(at, ')') && (depth -= 1) === 0) return at;
    }
    return this.tokens.length;
  }

  private named(parts: readonly string[]): WrittenName | null {
    const name = parts.at(-1) as string;
    const schema = parts.at(-2);
    if (schema !== undefined) return { schema, name };
    return this.ctes.has(name.toLowerCase()) || name.toLowerCase() === 'dual' ? null : { name };
  }

  private token(at: number): void {
    const { tokens } = this;
    switch (tokens[at]?.word) {
      case 'from':
        if (!this.isFunctionFrom(at)) this.tableList(at + 1);
        return;
      case 'join':
      case 'straight_join':
        this.tableList(at + 1);
        return;
      case 'into': {
        if (this.is(at + 1, 'outfile', 'dumpfile') || tokens[at + 1]?.value.startsWith('@') === true) return;
        // SELECT … INTO variable, inside of routines, names no relation.
        if (this.isSelectInto(at)) return;
        this.write(this.skip(at + 1, 'table'));
        return;
      }
      case 'insert':
      case 'replace': {
        const next = this.skip(at + 1, 'low_priority', 'high_priority', 'delayed', 'ignore');
        if (this.startsStatement(at) && !this.is(next, 'into') && !this.is(next, '(')) this.write(next);
        return;
      }
      case 'update':
        if (this.startsStatement(at)) this.tableList(this.skip(at + 1, 'low_priority', 'ignore'));
        return;
      case 'truncate':
        this.write(this.skip(at + 1, 'table'));
        return;
      case 'using':
        if (this.has('delete') && !this.is(at + 1, '(')) this.tableList(at + 1);
        return;
      case 'call': {
        const name = this.dotted(at + 1);
        const call = name === null ? null : this.named(name.parts);
        if (call !== null) this.calls.set(keyOf(call), call);
        return;
      }
      default: {
        // A function call: a name right before a parenthesis.
        if (!this.is(at + 1, '(') || !this.isIdentifier(at) || this.is(at - 1, 'into', 'table')) return;
        const name = { name: (tokens[at] as Token).value };
        this.calls.set(keyOf(name), name);
      }
    }
  }

  private startsStatement(at: number): boolean {
    if (
      at === 0 ||
      this.is(at - 1, ';', 'begin', 'then', 'else', 'do', 'loop', ')', 'explain', 'row', 'repeat')
    )
      return true;
    return false;
  }

  private isSelectInto(at: number): boolean {
    let depth = 0;
    for (let back = at - 1; back >= 0; back -= 1) {
      if (this.is(back, ')')) depth += 1;
      else if (this.is(back, '(')) depth -= 1;
      else if (this.is(back, ';')) return false;
      else if (depth <= 0 && this.is(back, 'insert', 'replace', 'load')) return false;
      else if (depth <= 0 && this.is(back, 'select', 'fetch')) return true;
    }
    return false;
  }

  private isFunctionFrom(at: number): boolean {
    if (this.is(at - 1, 'distinct')) return true;
    let depth = 0;
    for (let back = at - 1; back >= 0; back -= 1) {
      if (this.is(back, ')')) depth += 1;
      else if (this.is(back, '(')) {
        if (depth === 0) return FROM_FUNCTIONS.has(this.tokens[back - 1]?.word ?? '');
        depth -= 1;
      } else if (depth === 0 && this.is(back, 'select', 'delete', ';')) return false;
    }
    return false;
  }

  private write(at: number): void {
    const name = this.dotted(at);
    const relation = name === null ? null : this.named(name.parts);
    if (name === null || relation === null) return;
    this.writes.set(keyOf(relation), relation);
    this.aliases.set((name.parts.at(-1) as string).toLowerCase(), relation);
  }

  private tableList(from: number): void {
    let at = from;
    while (at < this.tokens.length) {
      while (
        this.is(at, '(', 'lateral', 'low_priority', 'ignore', 'quick') ||
        JOIN_WORDS.has(this.tokens[at]?.word ?? '')
      )
        at += 1;
      const name = this.dotted(at);
      if (name === null || this.is(name.end, '(')) return;
      const relation = this.named(name.parts);
      if (relation !== null) this.reads.set(keyOf(relation), relation);
      at = name.end;
      if (this.is(at, 'partition')) at = this.closing(at + 1) + 1;
      if (this.is(at, 'as')) at += 1;
      const alias = this.isIdentifier(at) ? (this.tokens[at] as Token).value : undefined;
      if (alias !== undefined) at += 1;
      if (relation !== null) this.aliases.set((alias ?? name.parts.at(-1) ?? '').toLowerCase(), relation);
      while (this.is(at, 'use', 'force', 'ignore') && this.is(at + 1, 'index', 'key'))
        at = this.closing(at + 2) + 1;
      if (this.is(at, ')')) at = this.skip(at, ')');
      if (!JOIN_WORDS.has(this.tokens[at]?.word ?? '')) return;
    }
  }

  /** UPDATE and DELETE list several relations and change some of them. */
  private resolveTargets(): void {
    for (let at = 0; at < this.tokens.length; at += 1) {
      if (!this.startsStatement(at)) continue;
      if (this.is(at, 'update')) this.updateTargets(at);
      else if (this.is(at, 'delete')) this.deleteTargets(at);
    }
  }

  private move(relation: WrittenName): void {
    this.reads.delete(keyOf(relation));
    this.writes.set(keyOf(relation), relation);
  }

  private updateTargets(update: number): void {
    const first = this.dotted(this.skip(update + 1, 'low_priority', 'ignore'));
    let set = update;
    for (let depth = 0; set < this.tokens.length; set += 1) {
      if (this.is(set, '(')) depth += 1;
      else if (this.is(set, ')')) depth -= 1;
      else if (this.is(set, ';')) return;
      else if (depth === 0 && this.is(set, 'set')) break;
    }
    const assigned: WrittenName[] = [];
    for (let at = set, depth = 0; at < this.tokens.length; at += 1) {
      if (this.is(at, '(')) depth += 1;
      else if (this.is(at, ')')) depth -= 1;
      else if (depth === 0 && this.is(at, 'where', 'order', 'limit', ';')) break;
      if (depth !== 0 || !this.is(at, 'set', ',')) continue;
      const column = this.dotted(at + 1);
      const relation =
        column === null ? undefined : this.aliases.get(column.parts.at(-2)?.toLowerCase() ?? '');
      if (relation !== undefined) assigned.push(relation);
    }
    const only = first === null ? null : this.named(first.parts);
    if (assigned.length === 0 && only !== null) assigned.push(only);
    for (const relation of assigned) this.move(relation);
  }

  private deleteTargets(from: number): void {
    let at = this.skip(from + 1, 'low_priority', 'quick', 'ignore', 'from');
    for (let name = this.dotted(at); name !== null; name = this.dotted(at)) {
      const parts = name.parts.filter((part) => part !== '*');
      const relation = this.aliases.get(parts[0]?.toLowerCase() ?? '') ?? this.named(parts);
      // DELETE FROM alias USING …: what stood after FROM was no relation.
      const [alias] = parts;
      if (parts.length === 1 && alias !== undefined) this.reads.delete(keyOf({ name: alias }));
      if (relation !== null) this.move(relation);
      at = name.end;
      if (!this.is(at, ',')) return;
      at += 1;
    }
  }

  private readColumns(
    columns: Map<string, StatementUse['columns'][number]>,
    joins: Map<string, StatementUse['joins'][number]>,
  ): void {
    const relations = [...this.aliases.values()];
    const only = new Set(relations.map(keyOf)).size === 1 ? relations[0] : undefined;
    const at = (index: number): { relation: WrittenName; column: string; end: number } | null => {
      const name = this.dotted(index);
      if (name === null || this.is(index - 1, '.')) return null;
      const column = name.parts.at(-1) as string;
      const relation =
        name.parts.length > 1 ? this.aliases.get(name.parts.at(-2)?.toLowerCase() ?? '') : only;
      return relation === undefined ? null : { relation, column, end: name.end };
    };
    for (let index = 0; index < this.tokens.length; index += 1) {
      const found = at(index);
      if (found === null || this.is(found.end, '(')) continue;
      columns.set(`${keyOf(found.relation)}.${found.column}`, {
        relation: found.relation,
        column: found.column,
      });
      const other = this.is(found.end, '=') ? at(found.end + 1) : null;
      if (other === null || keyOf(other.relation) === keyOf(found.relation)) continue;
      joins.set(`${keyOf(found.relation)}.${found.column}=${keyOf(other.relation)}.${other.column}`, {
        left: found.relation,
        leftColumn: found.column,
        right: other.relation,
        rightColumn: other.column,
      });
    }
  }
}
