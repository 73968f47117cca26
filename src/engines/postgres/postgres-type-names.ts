/** Type names as the server's format_type() writes them, from the grammar's tree of a written type. */
import type { Node, TypeName } from 'libpg-query';

/** Internal name → what format_type() prints; `()` marks where a length or precision stands. */
const DISPLAY: Readonly<Record<string, string>> = {
  bool: 'boolean',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  numeric: 'numeric()',
  bpchar: 'character()',
  varchar: 'character varying()',
  bit: 'bit()',
  varbit: 'bit varying()',
  time: 'time() without time zone',
  timetz: 'time() with time zone',
  timestamp: 'timestamp() without time zone',
  timestamptz: 'timestamp() with time zone',
  char: '"char"',
};

/** Written without a schema, these are the server's own; anything else may be the user's. */
const ALIASES: Readonly<Record<string, string>> = {
  serial: 'int4',
  serial4: 'int4',
  bigserial: 'int8',
  serial8: 'int8',
  smallserial: 'int2',
  serial2: 'int2',
};

const INTERVAL_FIELDS: Readonly<Record<number, string>> = {
  4: 'year',
  2: 'month',
  6: 'year to month',
  8: 'day',
  1024: 'hour',
  2048: 'minute',
  4096: 'second',
  1032: 'day to hour',
  3080: 'day to minute',
  7176: 'day to second',
  3072: 'hour to minute',
  7168: 'hour to second',
  6144: 'minute to second',
};

/** The server's own types that are written without a schema and come before any relation of that name. */
const OWN = new Set([
  ...Object.keys(DISPLAY),
  ...Object.keys(ALIASES),
  ...'date text json jsonb jsonpath uuid name money bytea inet cidr macaddr macaddr8 xml oid point line lseg box path polygon'.split(
    ' ',
  ),
  ...'circle tsvector tsquery interval record trigger void regclass regtype regproc int4range int8range numrange tsrange'.split(
    ' ',
  ),
  ...'tstzrange daterange anyelement anyarray anynonarray anyenum anyrange anycompatible event_trigger cstring internal'.split(
    ' ',
  ),
]);

/** Whether a type's name may be that of a relation: its row type. */
export function mayBeRowType(type: { readonly schema: string | undefined; readonly name: string }): boolean {
  return type.schema !== undefined || !OWN.has(type.name);
}

/** Names of all types that a tree mentions, which may be those of relations. */
export function writtenTypeNames(tree: unknown): readonly WrittenTypeName[] {
  const found: WrittenTypeName[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      // A function's return type and a cast's type carry the name without a node's wrapper.
      if (key === 'TypeName' || key === 'typeName' || key === 'returnType' || key === 'argType') {
        const type = (child as { TypeName?: TypeName }).TypeName ?? (child as TypeName);
        const { schema, name } = writtenType(type);
        if (mayBeRowType({ schema, name })) found.push({ ...(schema !== undefined && { schema }), name });
      } else visit(child);
    }
  };
  visit(tree);
  return found;
}

interface WrittenTypeName {
  readonly schema?: string;
  readonly name: string;
}

export interface WrittenType {
  readonly schema: string | undefined;
  /** Internal name: `int4`, `varchar`, or the user's own. */
  readonly name: string;
  readonly isArray: boolean;
  readonly isSerial: boolean;
  /** As SQL, without schema for a user's type: that is added where it was found. */
  readonly display: string;
}

const strings = (nodes: readonly Node[] | undefined): string[] =>
  (nodes ?? []).flatMap((node) => ('String' in node ? [node.String.sval ?? ''] : []));

function modifiers(type: TypeName): number[] {
  return (type.typmods ?? []).flatMap((node) =>
    'A_Const' in node && node.A_Const.ival !== undefined ? [node.A_Const.ival.ival ?? 0] : [],
  );
}

export function writtenType(type: TypeName): WrittenType {
  const names = strings(type.names);
  const written = names.at(-1) ?? 'unknown';
  const isSerial = names.length === 1 && written in ALIASES;
  const name = isSerial ? (ALIASES[written] as string) : written;
  const schema = names.length > 1 && names.at(-2) !== 'pg_catalog' ? names.at(-2) : undefined;
  const isArray = (type.arrayBounds ?? []).length > 0;
  const mods = modifiers(type);
  let display: string;
  if (name === 'interval') {
    const fields = mods[0] === undefined || mods[0] === 0x7fff ? '' : ` ${INTERVAL_FIELDS[mods[0]] ?? ''}`;
    display = `interval${fields}${mods[1] === undefined ? '' : `(${mods[1]})`}`;
  } else if (schema === undefined && name in DISPLAY) {
    const length =
      mods.length === 0
        ? ''
        : `(${name === 'numeric' && mods.length === 1 ? `${mods[0]},0` : mods.join(',')})`;
    display = (DISPLAY[name] as string).replace('()', length);
    if (name === 'bpchar' && mods.length === 0) display = 'bpchar';
  } else {
    display = `${quoteIfNeeded(name)}${mods.length === 0 ? '' : `(${mods.join(',')})`}`;
  }
  return { schema, name, isArray, isSerial, display: isArray ? `${display}[]` : display };
}

/** As quote_ident(), but for keywords, which no type name here is. */
export function quoteIfNeeded(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
