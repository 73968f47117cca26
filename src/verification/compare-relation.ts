/** One relation: ranges hashed on both sides at once, then only what differs, down to rows that are proven to differ. */
import { canonicalKey } from '../engines/canonical-columns.js';
import type {
  ChecksumMethod,
  Chunk,
  ComparedRow,
  Key,
  RangeHash,
  RelationMap,
  RowHash,
  Side,
} from '../engines/engine.js';
import { keyOn } from '../engines/relation-sides.js';
import type { RowDifference, VerifiedRelation } from '../model/verification.js';
import { agreeOnMethod } from './compare-methods.js';
import { differingKeys, keyName, settle, type Settled } from './settle.js';
import type { ComparedDatabase, VerifyInput } from './verify-input.js';

/** Keys that are settled together: one barrier a round for all of them. */
export const KEYS_AT_ONCE = 2_000;
/** Whole rows held at once while they are shown. */
const ROWS_AT_ONCE = 500;
/** A relation that differs this much need not be counted further. */
const ENOUGH = 10_000;

/** Ranges that lie end to end and are hashed by one statement. */
export interface RangeRun {
  readonly whole: Chunk;
  readonly parts: readonly Chunk[];
}

/**
 * A statement costs a millisecond whatever it reads, a range that differs its rows one by one: so ranges are hashed by the run and looked at
 * one by one.
 */
export function joinRanges(ranges: readonly Chunk[], mostRows: number): readonly RangeRun[] {
  const runs: { whole: Chunk; parts: Chunk[] }[] = [];
  for (const range of ranges) {
    const last = runs.at(-1);
    const rows = (last?.whole.estimatedRows ?? 0) + range.estimatedRows;
    const isNext =
      last?.whole.to != null && range.from != null && keyName(last.whole.to) === keyName(range.from);
    if (last === undefined || !isNext || rows > mostRows) runs.push({ whole: range, parts: [range] });
    else {
      last.whole = { ...last.whole, to: range.to, estimatedRows: rows };
      last.parts.push(range);
    }
  }
  return runs;
}

export class RelationComparison {
  rows = 0;
  chunks = 0;
  rechecked = 0;
  unsettled = 0;
  readonly notes: string[] = [];
  /** Ranges that differed at first sight, or stood in a run that did. */
  readonly suspects: Chunk[] = [];
  #differing = 0;
  readonly #shown: Key[] = [];
  readonly #open: Key[] = [];

  private constructor(
    readonly input: VerifyInput,
    readonly map: RelationMap,
    readonly method: ChecksumMethod,
  ) {
    for (const { column, note } of method.columns)
      if (note !== undefined) this.notes.push(`${column}: ${note}`);
    if (method.order.includes('bytes'))
      this.notes.push(
        'the sides order the key differently (collation or its version): compared in few large ranges',
      );
  }

  static async open(input: VerifyInput, map: RelationMap): Promise<RelationComparison> {
    return new RelationComparison(input, map, await agreeOnMethod(input, map, input.isStrict ?? false));
  }

  get follower(): Side {
    return this.input.owner === 'source' ? 'target' : 'source';
  }

  #at(side: Side): ComparedDatabase {
    return side === 'source' ? this.input.source : this.input.target;
  }

  /** Cuts come from the owner's data; the outermost are open, so that rows that only the other side has are in one of them. */
  async ranges(): Promise<readonly Chunk[]> {
    const { owner, chunkRows, signal } = this.input;
    return this.#at(owner).checksum.ranges(this.map, chunkRows, this.method, owner, signal);
  }

  hashRange(range: Chunk, side: Side): Promise<RangeHash> {
    return this.#at(side).checksum.hash(this.map, range, this.method, side, this.input.signal);
  }

  /** @returns rows compared. */
  judgeRange(run: RangeRun, source: RangeHash, target: RangeHash): number {
    const rows = this.input.owner === 'source' ? source.rows : target.rows;
    this.chunks++;
    this.rows += rows;
    if (source.rows !== target.rows || source.hash !== target.hash) this.suspects.push(...run.parts);
    return rows;
  }

  /**
   * After the other side has caught up: most ranges were only in flight. Row by row what is left.
   * @returns true when in the end everything was equal.
   */
  async recheck(ranges: readonly Chunk[]): Promise<boolean> {
    const before = this.#differing + this.unsettled;
    let candidates: Key[] = [];
    // As the key goes, not as hashing happened to end: two runs over the same rows show the same ones, in the same order.
    for (const range of [...ranges].sort((a, b) => a.index - b.index)) {
      if (this.#isEnough()) return false;
      if (await this.#isEqual(range)) {
        this.rechecked++;
        continue;
      }
      const [source, target] = await this.#onBoth((side) =>
        this.#at(side).checksum.rowHashes(this.map, range, this.method, side, this.input.signal),
      );
      const keys = differingKeys(source, target);
      if (keys.length === 0) this.rechecked++;
      candidates.push(...keys);
      while (candidates.length >= KEYS_AT_ONCE && !this.#isEnough()) {
        await this.settleKeys(candidates.slice(0, KEYS_AT_ONCE));
        candidates = candidates.slice(KEYS_AT_ONCE);
      }
    }
    if (candidates.length > 0) await this.settleKeys(candidates);
    return this.#differing + this.unsettled === before;
  }

  /** A key in the text that the comparison uses, from either engine's own. */
  comparedKey(key: Key): Key {
    return canonicalKey(keyOn(this.map, 'source', this.method), key);
  }

  async settleKeys(keys: readonly Key[]): Promise<Settled> {
    const { owner, signal } = this.input;
    const read =
      (side: Side) =>
      (some: readonly Key[]): Promise<readonly RowHash[]> =>
        this.#at(side).checksum.keyHashes(this.map, some, this.method, side, signal);
    const settled = await settle({
      keys,
      readOwner: read(owner),
      readFollower: read(this.follower),
      barrier: this.input.barrier,
      rounds: this.input.rounds ?? 4,
      signal,
    });
    this.#differing += settled.different.length;
    this.unsettled += settled.unsettled.length;
    this.#open.push(...settled.different, ...settled.unsettled);
    const room = (this.input.shown ?? 20) - this.#shown.length;
    this.#shown.push(...settled.different.slice(0, Math.max(0, room)));
    return settled;
  }

  async result(): Promise<VerifiedRelation> {
    const differences = await this.#show();
    this.input.onCompared?.(this.map.source, this.#open);
    if (this.#isEnough()) this.notes.push(`stopped counting at ${this.#differing} differing rows`);
    return {
      relation: this.map.source,
      target: this.map.target,
      rows: this.rows,
      chunks: this.chunks,
      rechecked: this.rechecked,
      differing: this.#differing,
      unsettled: this.unsettled,
      differences,
      method: this.method.name,
      notes: this.notes,
    };
  }

  async #show(): Promise<readonly RowDifference[]> {
    if (this.#shown.length === 0) return [];
    const [source, target] = await this.#onBoth(async (side) => {
      const rows: ComparedRow[] = [];
      for (let from = 0; from < this.#shown.length; from += ROWS_AT_ONCE) {
        const keys = this.#shown.slice(from, from + ROWS_AT_ONCE);
        rows.push(
          ...(await this.#at(side).checksum.rows(this.map, keys, this.method, side, this.input.signal)),
        );
      }
      return new Map(rows.map((row) => [keyName(row.key), row.values]));
    });
    return this.#shown.flatMap((key) => {
      const left = source.get(keyName(key)) ?? null;
      const right = target.get(keyName(key)) ?? null;
      const seen =
        this.input.owner === 'source' ? { truth: left, other: right } : { truth: right, other: left };
      const columns = this.map.columns.flatMap((column, i) => {
        const values = { column: column.name, source: left?.[i] ?? null, target: right?.[i] ?? null };
        return left !== null && right !== null && values.source !== values.target ? [values] : [];
      });
      // Somebody has made them equal since.
      if ((left === null && right === null) || (left !== null && right !== null && columns.length === 0)) {
        this.#differing--;
        return [];
      }
      return {
        key,
        keyColumns: this.map.key,
        kind: seen.other === null ? 'missing' : seen.truth === null ? 'extra' : 'values',
        columns,
        repairSql: this.#at(this.follower).checksum.repairSql(
          this.map,
          key,
          seen.truth,
          this.method,
          this.follower,
        ),
      };
    });
  }

  #isEnough(): boolean {
    return this.#differing >= ENOUGH;
  }

  async #isEqual(range: Chunk): Promise<boolean> {
    const [source, target] = await this.#onBoth((side) => this.hashRange(range, side));
    return source.rows === target.rows && source.hash === target.hash;
  }

  async #onBoth<T>(read: (side: Side) => Promise<T>): Promise<[T, T]> {
    return Promise.all([read('source'), read('target')]);
  }
}
