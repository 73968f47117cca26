/**
 * One text for every way of writing the same JSON: members sorted, no spaces, strings escaped alike. Servers do not agree on any of it
 * (PostgreSQL and MySQL sort members by length, MariaDB keeps what was typed), so that it is done here.
 *
 * Numbers are compared as double precision unless strict, since MySQL keeps them so; integers up to 64 bits stay exact. Of members of one name
 * the last counts, as in jsonb.
 */

export interface JsonNormalisation {
  /** Numbers written differently differ. */
  readonly isStrict: boolean;
}

/** Text that is no JSON is returned as it is, marked so that no JSON equals it. */
export function canonicalJson(text: string, options: JsonNormalisation = { isStrict: false }): string {
  const reader = new Reader(text, options.isStrict);
  const value = reader.document();
  return value ?? `not JSON: ${text}`;
}

/** An array whose elements are known by their text: `[1, "1"]` is the same twice. */
export function canonicalList(text: string): string {
  const listed = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(listed);
    if (item === null || typeof item === 'string') return item;
    return JSON.stringify(item);
  };
  try {
    return JSON.stringify(listed(JSON.parse(text)));
  } catch {
    return `not JSON: ${text}`;
  }
}

class NotJson extends Error {}

class Reader {
  #at = 0;

  constructor(
    readonly text: string,
    readonly isStrict: boolean,
  ) {}

  document(): string | null {
    try {
      const value = this.#value();
      this.#space();
      return this.#at === this.text.length ? value : null;
    } catch (error) {
      if (error instanceof NotJson) return null;
      throw error;
    }
  }

  #space(): void {
    while (' \t\n\r'.includes(this.text[this.#at] ?? 'x')) this.#at++;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    if (match === null) throw new NotJson();
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #take(mark: string): boolean {
    this.#space();
    if (this.text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw new NotJson();
  }

  #value(): string {
    this.#space();
    const first = this.text[this.#at];
    if (first === '{') return this.#object();
    if (first === '[') return this.#array();
    if (first === '"') return this.#string();
    if (first === 't' || first === 'f' || first === 'n') return this.#match(/(?:true|false|null)\b/y);
    return this.#number(this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y));
  }

  #string(): string {
    const written = this.#match(/"(?:[^"\\]|\\.)*"/y);
    try {
      return JSON.stringify(JSON.parse(written));
    } catch {
      throw new NotJson();
    }
  }

  #number(written: string): string {
    if (this.isStrict) return written;
    if (/^-?\d{1,20}$/.test(written)) return BigInt(written).toString();
    return String(Number(written) + 0);
  }

  #array(): string {
    const items: string[] = [];
    this.#expect('[');
    if (this.#take(']')) return '[]';
    do items.push(this.#value());
    while (this.#take(','));
    this.#expect(']');
    return `[${items.join(',')}]`;
  }

  #object(): string {
    const members = new Map<string, string>();
    this.#expect('{');
    if (this.#take('}')) return '{}';
    do {
      this.#space();
      const name = this.#string();
      this.#expect(':');
      members.set(name, this.#value());
    } while (this.#take(','));
    this.#expect('}');
    const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${sorted.map(([name, value]) => `${name}:${value}`).join(',')}}`;
  }
}
