/**
 * Writes to one table of an unknown schema in ways that its constraints allow: new rows are copies of loaded ones under new keys, a text column
 * carries a mark, and only rows of its own are deleted. Keeps what was acknowledged.
 */
import type { ShopEngine } from '../../src/demo/shop-engines.js';
import type { Router } from '../../src/router/index.js';
import { answerOf, asText, engineOf, parameter, quoteOn } from './dialect.js';
import type { ColumnShape, TableShape } from './table-shape.js';

/** Rows of a loaded table, by key columns, as text. */
export type KeyRow = Readonly<Record<string, string>>;

export interface TableWriterOptions {
  readonly router: Router;
  readonly service: string;
  readonly shape: TableShape;
  /** Some loaded rows: keys to copy from. */
  readonly samples: readonly KeyRow[];
  /** Values that references may take: the columns of each reference, from loaded parents. */
  readonly parents: ReadonlyMap<string, readonly (readonly string[])[]>;
  /** Highest number in each key column that is not drawn from a sequence. */
  readonly highest: Readonly<Record<string, bigint>>;
  readonly prefix: string;
  readonly random: () => number;
  /** Dates that a rule sends to different children. */
  readonly moments: readonly string[];
  /** Where the rows are at first. */
  readonly engine: ShopEngine;
  readonly isMixed: boolean;
}

/** A statement as one engine writes it. */
type Statement = (engine: ShopEngine) => { readonly sql: string; readonly bindings: readonly string[] };

export class TableWriter {
  /** Key as JSON → the mark that was last acknowledged (null: no column for it). */
  readonly mine = new Map<string, string | null>();
  /** Marks on loaded rows. */
  readonly marked = new Map<string, string>();
  /** Inserts that a rule sent to whichever child; the server tells no key of them. */
  throughRule = 0;
  readonly shape: TableShape;
  readonly service: string;
  readonly mark: ColumnShape | undefined;
  readonly canInsert: boolean;
  readonly #options: TableWriterOptions;
  #serial = 0;
  readonly #highest: Record<string, bigint>;

  constructor(options: TableWriterOptions) {
    this.#options = options;
    this.shape = options.shape;
    this.service = options.service;
    this.#highest = { ...options.highest };
    const { shape } = options;
    const bound = new Set([
      ...shape.key,
      ...shape.uniques.flat(),
      ...shape.references.flatMap((reference) => reference.columns),
    ]);
    this.mark = [...shape.columns]
      .filter((c) => c.category === 'S' && !bound.has(c.name) && !c.isRestricted && !c.isGenerated)
      .filter((c) => (c.maxLength ?? 100) >= 12)
      .sort((a, b) => (b.maxLength ?? 1000) - (a.maxLength ?? 1000))[0];
    this.canInsert =
      options.samples.length > 0 &&
      !shape.hasInsertRule &&
      shape.uniques.every((unique) => unique.some((name) => this.#canVary(name)));
  }

  async step(): Promise<void> {
    const roll = this.#options.random();
    if (this.shape.hasInsertRule && roll < 0.5) return this.#insertThroughRule();
    if (this.canInsert && (this.mine.size < 3 || roll < 0.45)) return this.#insert();
    if (this.mine.size > 3 && roll < 0.6) return this.#delete();
    return this.#update();
  }

  async #insert(): Promise<void> {
    const { shape } = this.#options;
    const source = this.#any(this.#options.samples);
    const values = new Map<string, string>();
    for (const column of shape.columns) {
      if (column.isGenerated) continue;
      if (column.name === this.mark?.name) values.set(column.name, this.#next());
      else if (this.#varies(column)) values.set(column.name, this.#vary(column));
    }
    for (const reference of shape.references) {
      // Only where the key is made of references does a copy need other parents.
      if (!reference.columns.every((name) => shape.key.includes(name))) continue;
      const parent = this.#any(this.#options.parents.get(referenceName(reference.columns)) ?? []);
      reference.columns.forEach((name, n) => values.set(name, parent[n] as string));
    }
    const drawn = shape.columns.filter(
      (c) => shape.key.includes(c.name) && c.hasDefault && !values.has(c.name),
    );
    const written = shape.columns.filter((c) => !c.isGenerated && !drawn.includes(c));
    const inserted = await this.#run((engine) => {
      const bindings: string[] = [];
      const expressions = written.map((column) => {
        const value = values.get(column.name);
        if (value === undefined) return `source.${quoteOn(engine, column.name)}`;
        bindings.push(value);
        return parameter(engine, column);
      });
      bindings.push(...this.#keyOf(source));
      const returned = shape.key.map((name) => {
        const quoted = quoteOn(engine, name);
        return `${asText(engine, quoted)} AS ${quoted}`;
      });
      return {
        sql: `INSERT INTO ${quoteOn(engine, shape.name)} (${written.map((c) => quoteOn(engine, c.name)).join(', ')})
         SELECT ${expressions.join(', ')} FROM ${quoteOn(engine, shape.name)} source WHERE ${this.#whereKey(engine, 'source.')}
         ${engine === 'postgres' ? 'ON CONFLICT DO NOTHING' : ''} RETURNING ${returned.join(', ')}`,
        bindings,
      };
    });
    for (const row of inserted?.rows ?? [])
      this.mine.set(JSON.stringify(this.#keyOf(row)), values.get(this.mark?.name ?? '') ?? null);
  }

  async #insertThroughRule(): Promise<void> {
    const { shape, samples, moments } = this.#options;
    if (samples.length === 0) return;
    const written = shape.columns.filter((c) => !c.isGenerated && !shape.key.includes(c.name));
    await this.#run((engine) => {
      const bindings: string[] = [];
      const expressions = written.map((column) => {
        if (column.category !== 'D' || moments.length === 0) return `source.${quoteOn(engine, column.name)}`;
        bindings.push(this.#any(moments));
        return parameter(engine, column);
      });
      bindings.push(...this.#keyOf(this.#any(samples)));
      return {
        sql: `INSERT INTO ${quoteOn(engine, shape.name)} (${written.map((c) => quoteOn(engine, c.name)).join(', ')})
         SELECT ${expressions.join(', ')} FROM ${quoteOn(engine, shape.name)} source WHERE ${this.#whereKey(engine, 'source.')}`,
        bindings,
      };
    });
    this.throughRule += 1;
  }

  async #update(): Promise<void> {
    const { shape, samples } = this.#options;
    const ownKeys = [...this.mine.keys()];
    const isOwn = ownKeys.length > 0 && (samples.length === 0 || this.#options.random() < 0.7);
    if (!isOwn && samples.length === 0) return;
    const parts = isOwn ? (JSON.parse(this.#any(ownKeys)) as string[]) : this.#keyOf(this.#any(samples));
    const id = JSON.stringify(parts);
    const mark = this.#next();
    const column = this.mark ?? shape.columns.find((c) => !c.isGenerated && !shape.key.includes(c.name));
    if (column === undefined) return;
    const result = await this.#run((engine) => {
      const target = quoteOn(engine, column.name);
      return {
        sql: `UPDATE ${quoteOn(engine, shape.name)} SET ${target} = ${this.mark === undefined ? target : parameter(engine, column)} WHERE ${this.#whereKey(engine)}`,
        bindings: [...(this.mark === undefined ? [] : [mark]), ...parts],
      };
    });
    if (result?.changed !== 1) throw new Error(`${shape.name} ${id}: ${result?.changed ?? 0} rows updated`);
    if (this.mark === undefined) return;
    if (this.mine.has(id)) this.mine.set(id, mark);
    else this.marked.set(id, mark);
  }

  async #delete(): Promise<void> {
    const key = this.#any([...this.mine.keys()]);
    const result = await this.#run((engine) => ({
      sql: `DELETE FROM ${quoteOn(engine, this.shape.name)} WHERE ${this.#whereKey(engine)}`,
      bindings: JSON.parse(key) as string[],
    }));
    if (result?.changed !== 1)
      throw new Error(`${this.shape.name} ${key}: ${result?.changed ?? 0} rows deleted`);
    this.mine.delete(key);
  }

  #keyOf(row: KeyRow): string[] {
    return this.shape.key.map((name) => row[name] as string);
  }

  /**
   * Half of the statements by themselves, half in a transaction with a read; where a service changes its engine all in transactions, which know
   * their database. @returns null when the row was there already.
   */
  async #run(statement: Statement): Promise<ReturnType<typeof answerOf> | null> {
    const { router, service, random, shape, engine, isMixed } = this.#options;
    const isAlone = !isMixed && random() < 0.5;
    for (;;) {
      try {
        if (isAlone) {
          const { sql, bindings } = statement(engine);
          return answerOf(await router.writes(service).raw(sql, [...bindings]));
        }
        return await router.transaction(service, async (trx) => {
          const there = engineOf(trx);
          await trx.raw(
            `SELECT count(*) FROM (SELECT 1 AS one FROM ${quoteOn(there, shape.name)} LIMIT 5) t`,
          );
          const { sql, bindings } = statement(there);
          return answerOf(await trx.raw(sql, [...bindings]));
        });
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        if (code === 'ER_DUP_ENTRY') return null;
        // InnoDB's gap locks make neighbours wait for each other: the one that gives way begins again.
        if (code !== 'ER_LOCK_DEADLOCK') throw error;
      }
    }
  }

  #canVary(name: string): boolean {
    const column = this.shape.columns.find((c) => c.name === name);
    return (
      column !== undefined && (column.category === 'S' || column.category === 'D') && !column.isRestricted
    );
  }

  /** Columns that must differ from the copied row: keys that nothing draws, and enough of every other unique. */
  #varies(column: ColumnShape): boolean {
    const isReference = this.shape.references.some((reference) => reference.columns.includes(column.name));
    if (this.shape.key.includes(column.name)) return !column.hasDefault && !isReference;
    return this.shape.uniques.some((unique) => unique.find((name) => this.#canVary(name)) === column.name);
  }

  #vary(column: ColumnShape): string {
    if (column.category === 'N') {
      const next = (this.#highest[column.name] ?? 0n) + 1n;
      this.#highest[column.name] = next;
      return String(next);
    }
    if (column.category === 'D')
      return new Date(1.5e12 + Math.floor(this.#options.random() * 1e11))
        .toISOString()
        .slice(0, 19)
        .replace('T', ' ');
    const length = Math.min(column.maxLength ?? 12, 12);
    return Array.from({ length }, () =>
      String.fromCharCode(97 + Math.floor(this.#options.random() * 26)),
    ).join('');
  }

  #whereKey(engine: ShopEngine, source = ''): string {
    return this.shape.key
      .map((name) => {
        const column = `${source}${quoteOn(engine, name)}`;
        // MySQL converts the parameter, and finds the row by its key; a conversion of the column would read, and lock, them all.
        return `${engine === 'postgres' ? `${column}::text` : column} = ?`;
      })
      .join(' AND ');
  }

  #next(): string {
    this.#serial += 1;
    return `${this.#options.prefix}${this.#serial}`;
  }

  #any<T>(from: readonly T[]): T {
    const found = from[Math.floor(this.#options.random() * from.length)];
    if (found === undefined) throw new Error(`${this.#options.shape.name}: nothing to choose from`);
    return found;
  }
}

export function referenceName(columns: readonly string[]): string {
  return columns.join(',');
}
