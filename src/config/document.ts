/** A YAML file that knows where each of its values stands. */
import { LineCounter, type Pair, parseDocument, isMap, isScalar, isSeq, type Document } from 'yaml';
import type { Location } from './config.js';

export type YamlPath = readonly (string | number)[];

export interface Problem {
  readonly message: string;
  readonly location: Location;
  readonly hint?: string;
}

export class YamlFile {
  readonly problems: readonly Problem[];
  readonly #document: Document;
  readonly #lines = new LineCounter();

  constructor(
    readonly file: string,
    readonly text: string,
  ) {
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: true });
    this.problems = this.#document.errors.map((error) => ({
      message: error.message,
      location: this.#at(error.pos[0]),
    }));
  }

  /** Bounded aliases: a small file must not unfold into a large one. */
  value(): unknown {
    return this.#document.toJS({ maxAliasCount: 100 }) ?? {};
  }

  /** The value at a path; where there is none, the nearest thing around it. */
  locate(path: YamlPath): Location {
    for (let length = path.length; length > 0; length--) {
      const node: unknown = this.#document.getIn(path.slice(0, length), true);
      const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
      if (range) return this.#at(range[0]);
      const pair = this.#pair(path.slice(0, length));
      if (pair !== undefined) return this.#at(keyStart(pair));
    }
    return this.#at(this.#document.contents?.range?.[0] ?? 0);
  }

  /** The key itself rather than its value: for unknown keys and for named things. */
  locateKey(path: YamlPath): Location {
    const pair = this.#pair(path);
    return pair === undefined ? this.locate(path) : this.#at(keyStart(pair));
  }

  frame(location: Location): string {
    const lines = this.text.split(/\r?\n/);
    const line = maskSecrets(lines[location.line - 1] ?? '');
    const number = String(location.line).padStart(4);
    return `${number} | ${line}\n     | ${' '.repeat(Math.max(0, location.column - 1))}^`;
  }

  #pair(path: YamlPath): Pair | undefined {
    const parent: unknown =
      path.length === 1 ? this.#document.contents : this.#document.getIn(path.slice(0, -1), true);
    if (!isMap(parent)) return undefined;
    return parent.items.find((item) => isScalar(item.key) && item.key.value === path.at(-1));
  }

  #at(offset: number): Location {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** Every string in the file with its path, keys of maps not included. */
  *strings(): Generator<{ readonly path: YamlPath; readonly text: string }> {
    yield* walk(this.#document.contents, []);
  }
}

function keyStart(pair: Pair): number {
  return (pair.key as { range?: [number, number, number] }).range?.[0] ?? 0;
}

function* walk(node: unknown, path: YamlPath): Generator<{ path: YamlPath; text: string }> {
  if (isScalar(node)) {
    if (typeof node.value === 'string') yield { path, text: node.value };
  } else if (isMap(node)) {
    for (const { key, value } of node.items)
      if (isScalar(key)) yield* walk(value, [...path, String(key.value)]);
  } else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) yield* walk(item, [...path, index]);
  }
}

/** A line of the file is shown in errors: a password written into it must not be. */
export function maskSecrets(line: string): string {
  return line
    .replace(
      /^(.*?[a-z][a-z0-9+]*:\/\/[^:/\s"']*:)(.+)(@[^@]*)$/i,
      (whole, before: string, secret: string, after: string) =>
        /^\$\{[^}]*\}$/.test(secret) ? whole : `${before}***${after}`,
    )
    .replace(
      /\b(password|passwordCommand)(["']?\s*:\s*)([^#\s].*)$/i,
      (whole, key: string, colon: string, secret: string) =>
        /^["']?\$\{[^}]*\}["']?\s*[,}]*$/.test(secret) ? whole : `${key}${colon}***`,
    );
}
