/** Columns compared across engines: each as the kind that it has in common with its counterpart. Both sides work it out from the same map. */
import { createHash } from 'node:crypto';
import { canonicalText, comparedAs, type CanonicalKind } from '../model/canonical-kinds.js';
import type { EngineName } from '../model/database-schema.js';
import { canonicalForm, formWord, type CanonicalForm } from './canonical-form.js';
import type { ChecksumMethod, Key, RangeHash, RelationMap, Side } from './engine.js';
import { columnsOn, type KeyColumn, type SideColumn } from './relation-sides.js';

/** What of the map can be compared with an engine of another kind, and what cannot. */
export function canonicalMethod(
  map: RelationMap,
  side: Side,
  engines: { readonly own: EngineName; readonly peer: EngineName },
  isStrict: boolean,
): Pick<ChecksumMethod, 'columns' | 'notCompared'> {
  const there = columnsOn(map, side === 'source' ? 'target' : 'source');
  const columns: ChecksumMethod['columns'][number][] = [];
  const notCompared: ChecksumMethod['notCompared'][number][] = [];
  for (const [i, { source: column, type }] of columnsOn(map, side).entries()) {
    const found = comparedAs(
      { engine: engines.own, type },
      { engine: engines.peer, type: (there[i] as SideColumn).type },
      isStrict,
    );
    if (found.kind === null) {
      notCompared.push({ column, reason: found.reason });
      continue;
    }
    columns.push({
      column,
      as: formWord({ kind: found.kind, isLong: found.isLong, isStrict }),
      ...(found.note !== undefined && { note: found.note }),
    });
  }
  return { columns, notCompared };
}

/** Values of a row in canonical text; columns that are not compared are null. */
export function canonicalValues(
  columns: readonly Pick<CanonicalForm, 'kind' | 'isStrict'>[],
  row: readonly (string | null)[],
): readonly (string | null)[] {
  return columns.map(({ kind, isStrict }, i) => {
    const text = row[i] ?? null;
    return text === null ? null : canonicalText(kind, text, isStrict);
  });
}

/**
 * Kinds that servers have no common form of are hashed here: the digest of a row's other columns, made by its server, and the canonical text
 * of these.
 */
export function isHashedHere(as: string): boolean {
  const kind = canonicalForm(as)?.kind;
  return kind === 'json' || kind === 'list';
}

export function finishedHash(server: string, texts: readonly (string | null)[]): string {
  const hash = createHash('md5').update(server);
  for (const text of texts) {
    hash.update(text === null ? ',-' : `,${Buffer.byteLength(text)}:`);
    if (text !== null) hash.update(text);
  }
  return hash.digest('hex');
}

/** Hashes of rows in any order, folded as the servers do it: exclusive or of the first 64 bits. */
export class RangeDigest {
  #rows = 0;
  #hash = 0n;

  add(md5: string): void {
    this.#rows++;
    this.#hash ^= BigInt(`0x${md5.slice(0, 16)}`);
  }

  result(): RangeHash {
    return { rows: this.#rows, hash: BigInt.asIntN(64, this.#hash).toString() };
  }
}

/** What the bytes of a key's canonical text are compared with; both engines' SQL leaves hyphens out of a uuid. */
export function boundText(kind: CanonicalKind | undefined, value: string): string {
  return kind === 'uuid' ? value.replaceAll('-', '') : value;
}

/** How values of two engines are compared: names of methods that every engine has. */
export const CANONICAL_XOR = 'MD5 of canonical text, xor over rows';
export const CANONICAL_SUM = 'MD5 of canonical text, sum over rows';

const ORDERED_ALIKE: Partial<Record<CanonicalKind, string>> = {
  integer: 'number',
  decimal: 'number',
  boolean: 'number',
  float64: 'number',
  float32: 'number',
  bytes: 'bytes of the value',
  date: 'instant',
  timestamp: 'instant',
  time: 'duration',
};

/** The order that every engine's index has for the kind, as a word of ChecksumMethod.order; undefined: none. */
export function orderOfKind(kind: CanonicalKind | undefined, type: string): string | undefined {
  // Strings of bits of one length are ordered like the numbers they are.
  if (kind === 'bit') return type;
  if (kind === 'uuid' && /^(uuid|binary)/.test(type)) return UUID_ORDER;
  return kind && ORDERED_ALIKE[kind];
}

/** The order of its 16 bytes. */
export const UUID_ORDER = 'uuid';

export interface ComparedColumn extends SideColumn {
  readonly as: string;
}

export type CanonicalColumn = ComparedColumn & CanonicalForm;

/** Columns of the method, as this side names them. */
export function comparedColumns(
  map: RelationMap,
  method: ChecksumMethod,
  side: Side,
): readonly ComparedColumn[] {
  const columns = columnsOn(map, side);
  return method.columns.map(({ column, as }) => {
    const found = columns.find((c) => c.source === column);
    if (found === undefined) throw new RangeError(`${map.source} has no column ${column} to compare`);
    return { ...found, as };
  });
}

/** The same where all of them are compared across engines. */
export function canonicalOf(
  map: RelationMap,
  method: ChecksumMethod,
  side: Side,
): readonly CanonicalColumn[] {
  return comparedColumns(map, method, side).map((column) => {
    const form = canonicalForm(column.as);
    if (form === null) throw new RangeError(`"${column.as}" is no kind of value`);
    return { ...column, ...form };
  });
}

/** A key in the text that the comparison uses. */
export function canonicalKey(columns: readonly KeyColumn[], key: Key): Key {
  return columns.map(({ kind }, i) => {
    const text = key[i] as string;
    return kind === undefined ? text : canonicalText(kind, text);
  });
}

/** A row's values for all of the map's columns; null for those that are not compared. */
export function canonicalRow(
  columns: readonly SideColumn[],
  compared: readonly CanonicalColumn[],
  row: readonly (string | null)[],
  received: (kind: CanonicalKind, text: string | null) => string | null = (_, text) => text,
): readonly (string | null)[] {
  return columns.map(({ name }, i) => {
    const form = compared.find((column) => column.name === name);
    const text = form === undefined ? null : received(form.kind, row[i] ?? null);
    return form === undefined || text === null ? null : canonicalText(form.kind, text, form.isStrict);
  });
}

/** Columns of the map that the method leaves out, for a comment instead of SQL that would leave them out. */
export function whyNotRepairable(map: RelationMap, key: Key, method: ChecksumMethod): string | null {
  const left = map.columns.filter(({ name }) => !method.columns.some(({ column }) => column === name));
  if (left.length === 0) return null;
  const row = `${map.source} (${key.join(', ')})`.replace(/\s+/g, ' ');
  return `-- ${row}: not repaired from here, since ${left.map(({ name }) => name).join(', ')} cannot be read across engines; copy the relation again`;
}
