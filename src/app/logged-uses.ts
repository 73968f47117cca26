/** Statements of logs as uses of relations, taken one by one: what is kept grows with what is different, not with the log. */
import type { LoggedStatement } from '../analysis/statement-log.js';
import { withoutValues } from '../analysis/statement-text.js';
import {
  asTransaction,
  countTransactions,
  countUses,
  resolveUses,
  type NameResolver,
  type ResolvedUse,
} from '../analysis/workload.js';
import type { StatementReader } from '../engines/engine.js';
import type { EngineName } from '../model/database-schema.js';

/** As many uses are held before they are counted together. */
const HELD = 10_000;

interface Shape {
  readonly isUnread: boolean;
  readonly isTransactionControl: boolean;
  /** undefined: it touches no relation of the schema. */
  readonly resolved: ResolvedUse | undefined;
}

export class LoggedUses {
  /** By statement without its values: the same with other values touches the same relations, and is read once. */
  readonly #shapes = new Map<string, Shape>();
  /** What sessions have done since their BEGIN, each thing once. */
  readonly #open = new Map<string, Map<string, ResolvedUse>>();
  #uses: readonly ResolvedUse[] = [];
  #transactions: readonly ResolvedUse[] = [];
  #held: ResolvedUse[] = [];
  #heldTransactions: ResolvedUse[] = [];
  statements = 0;
  /** Texts that could not be read. */
  unread = 0;

  constructor(
    private readonly engine: EngineName,
    private readonly reader: StatementReader,
    private readonly names: NameResolver,
  ) {}

  async take({ sql, session, user, ms = 0 }: LoggedStatement): Promise<void> {
    this.statements += 1;
    const text = withoutValues(sql, this.engine);
    const shape = this.#shapes.get(text) ?? (await this.#read(text, sql));
    if (shape.isUnread) {
      this.unread += 1;
      return;
    }
    if (shape.isTransactionControl && session !== undefined) {
      this.#end(session);
      if (/^\s*(?:begin|start)/i.test(sql)) this.#open.set(session, new Map());
      return;
    }
    if (shape.resolved === undefined) return;
    const used = { ...shape.resolved, totalMs: ms, ...(user === undefined ? {} : { user }) };
    if (this.#held.push(used) >= HELD) this.#count();
    const open = session === undefined ? undefined : this.#open.get(session);
    open?.set(text, { ...used, totalMs: ms + (open.get(text)?.totalMs ?? 0) });
  }

  get uses(): readonly ResolvedUse[] {
    this.#count();
    return this.#uses;
  }

  /** Of those that were seen to end. */
  get transactions(): readonly ResolvedUse[] {
    this.#count();
    return this.#transactions;
  }

  async #read(text: string, sql: string): Promise<Shape> {
    const [use = null] = await this.reader.read([sql]);
    const [resolved] = use === null ? [] : resolveUses([{ text, calls: 1, totalMs: 0, use }], this.names);
    const shape = {
      isUnread: use === null,
      isTransactionControl: use?.isTransactionControl === true,
      resolved,
    };
    this.#shapes.set(text, shape);
    return shape;
  }

  #end(session: string): void {
    const open = this.#open.get(session);
    this.#open.delete(session);
    const whole = open === undefined || open.size === 0 ? null : asTransaction([...open.values()]);
    if (whole !== null && this.#heldTransactions.push(whole) >= HELD) this.#count();
  }

  #count(): void {
    this.#uses = countUses([...this.#uses, ...this.#held]);
    this.#transactions = countTransactions([...this.#transactions, ...this.#heldTransactions]);
    this.#held = [];
    this.#heldTransactions = [];
  }
}
