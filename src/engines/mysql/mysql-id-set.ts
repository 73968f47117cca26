/**
 * Numbers of the change log that have been read, as ranges. Numbers are given when a row is written and become visible when its transaction
 * commits, so they do not come in order, and some never come: "everything up to here" cannot be said of them, only which ones.
 */
export class IdSet {
  /** Ascending, apart from each other by at least one number. */
  #ranges: [first: number, last: number][] = [];

  /** `1-4:6:9-12`; empty: none. @throws Error for anything else. */
  static parse(text: string): IdSet {
    const set = new IdSet();
    if (text === '') return set;
    for (const part of text.split(':')) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (match === null) throw new Error(`not a set of numbers: ${text}`);
      set.add(Number(match[1]), Number(match[2] ?? match[1]));
    }
    return set;
  }

  toString(): string {
    return this.#ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(':');
  }

  copy(): IdSet {
    const set = new IdSet();
    set.#ranges = this.#ranges.map(([first, last]) => [first, last]);
    return set;
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  get ranges(): readonly (readonly [first: number, last: number])[] {
    return this.#ranges;
  }

  /** Everything up to it is in the set. */
  get low(): number {
    const [first] = this.#ranges;
    return first !== undefined && first[0] <= 1 ? first[1] : 0;
  }

  get high(): number {
    return this.#ranges.at(-1)?.[1] ?? 0;
  }

  /** Numbers between the lowest and the highest that are missing, and those before the lowest. */
  get hasGaps(): boolean {
    return this.low < this.high;
  }

  has(id: number): boolean {
    const range = this.#ranges[this.#find(id)];
    return range !== undefined && range[0] <= id;
  }

  covers(other: IdSet): boolean {
    return other.#ranges.every(([first, last]) => {
      const range = this.#ranges[this.#find(first)];
      return range !== undefined && range[0] <= first && last <= range[1];
    });
  }

  add(first: number, last = first): void {
    // Mostly the next one.
    const end = this.#ranges.at(-1);
    if (end !== undefined && first === end[1] + 1) {
      end[1] = last;
      return;
    }
    const from = this.#find(first - 1);
    let to = from;
    let [low, high] = [first, last];
    for (
      let range = this.#ranges[to];
      range !== undefined && range[0] <= last + 1;
      range = this.#ranges[++to]
    ) {
      low = Math.min(low, range[0]);
      high = Math.max(high, range[1]);
    }
    this.#ranges.splice(from, to - from, [low, high]);
  }

  /** The first range that does not end before it. */
  #find(id: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as [number, number])[1] < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
