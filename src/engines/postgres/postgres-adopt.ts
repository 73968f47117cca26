/** A schema of another engine as this one would hold it: the same tables, columns, keys and references, in this engine's types. */
import type {
  Check,
  Column,
  DatabaseSchema,
  ForeignKey,
  Index,
  Relation,
  Sequence,
  UniqueKey,
} from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { grantNotes } from '../adoption-grants.js';
import type { AdoptedSchema, AdoptionNote } from '../engine.js';
import { mapType, parseType } from '../type-mapping.js';
import { KEY_WORDS } from './postgres-key-words.js';
import { quoteIdentifier, quoteLiteral, quoteRelation } from './postgres-sql.js';

/** Bytes that an identifier may have; longer ones would be cut by the server. */
const NAME_BYTES = 63;

export function adoptPostgresSchema(schema: DatabaseSchema): AdoptedSchema {
  const notes: AdoptionNote[] = [...grantNotes(schema)];
  const sequences: Record<RelationId, RelationId> = {};
  const created: Sequence[] = [];
  const names = new Names(schema);
  const relations = schema.relations.flatMap((relation): Relation[] => {
    if (relation.kind !== 'table') {
      notes.push(leftOut(`view ${relation.id}`, relation.id, 'its query is in the other SQL: write it anew'));
      return [];
    }
    const adopted = adoptTable(schema, relation, names, notes);
    if (adopted.sequence !== null) {
      created.push(adopted.sequence);
      sequences[adopted.sequence.id] = relation.id;
    }
    return [adopted.relation];
  });
  for (const routine of schema.routines)
    notes.push(
      leftOut(`${routine.kind} ${routine.id}`, undefined, 'its body is in the other language: write it anew'),
    );
  return {
    schema: {
      engine: 'postgres',
      product: 'PostgreSQL',
      version: 0,
      database: schema.database,
      origin: schema.origin,
      schemas: [...new Set(relations.map((relation) => relation.schema))].sort(),
      relations,
      types: [],
      sequences: created,
      routines: [],
      extensions: [],
      unsupported: [],
    },
    sequences,
    notes,
  };
}

const leftOut = (subject: string, relation: RelationId | undefined, what: string): AdoptionNote => ({
  kind: 'left-out',
  subject,
  ...(relation !== undefined && { relation }),
  what,
});

/** Indexes and constraints share one name space with tables here; there each table has its own. */
class Names {
  readonly #taken: Set<string>;

  constructor(schema: DatabaseSchema) {
    this.#taken = new Set(schema.relations.map((relation) => relation.id));
  }

  take(schema: string, wanted: string): string {
    const cut = (text: string, bytes: number) => {
      let short = text;
      while (Buffer.byteLength(short) > bytes) short = short.slice(0, -1);
      return short;
    };
    for (let n = 0; ; n++) {
      const suffix = n === 0 ? '' : String(n);
      const name = cut(wanted, NAME_BYTES - suffix.length) + suffix;
      const id = relationId(schema, name);
      if (this.#taken.has(id)) continue;
      this.#taken.add(id);
      return name;
    }
  }
}

interface AdoptedTable {
  readonly relation: Relation;
  readonly sequence: Sequence | null;
}

function adoptTable(
  schema: DatabaseSchema,
  relation: Relation,
  names: Names,
  notes: AdoptionNote[],
): AdoptedTable {
  const leave = (subject: string, what: string) => notes.push(leftOut(subject, relation.id, what));
  const checks: Check[] = [];
  let sequence: Sequence | null = null;
  const columns = relation.columns.flatMap((column): Column[] => {
    const subject = `${relation.id}.${column.name}`;
    if (column.generated !== undefined) {
      leave(`generated column ${subject}`, column.generated.expression);
      return [];
    }
    const mapped = mapType(column, schema, 'postgres', {
      indexable: null,
      isReference:
        column.autoIncrement === true ||
        relation.foreignKeys.some((key) => key.columns.includes(column.name)),
    });
    if (mapped.loss !== undefined)
      notes.push({
        kind: 'loss',
        subject,
        relation: relation.id,
        what: `${column.type} → ${mapped.type}: ${mapped.loss}`,
      });
    const written = parseType(column.type);
    if (written.word === 'enum')
      checks.push({
        name: names.take(relation.schema, `${relation.name}_${column.name}_check`),
        expression: `(${quoteIdentifier(column.name)} = ANY (ARRAY[${written.labels.map((label) => `${quoteLiteral(label).trim()}::text`).join(', ')}]))`,
        isValidated: true,
        isNoInherit: false,
        isInherited: false,
      });
    const isCounter = column.autoIncrement === true && /^(?:smallint|integer|bigint)$/.test(mapped.type);
    if (column.autoIncrement === true && !isCounter)
      leave(`default of ${subject}`, `${mapped.type} has no identity: the application has to give the value`);
    const counter = isCounter ? counterOf(relation, column, mapped.type, names) : null;
    sequence ??= counter;
    const value =
      isCounter || column.default === undefined ? undefined : adoptDefault(column.default, mapped.type);
    if (value === null)
      leave(`default of ${subject}`, `${column.default ?? ''}: the application has to give the value`);
    if (column.onUpdate !== undefined)
      leave(`ON UPDATE ${column.onUpdate} of ${subject}`, 'write a trigger, or let the application set it');
    return [
      {
        name: column.name,
        position: column.position,
        type: mapped.type,
        baseType: parseType(mapped.type).word,
        isArray: parseType(mapped.type).isArray,
        isNullable: column.isNullable,
        ...(value !== undefined && value !== null && { default: value }),
        ...(counter !== null && { identity: 'by-default' as const, sequence: counter.id }),
        ...(column.comment !== undefined && { comment: column.comment }),
        isInherited: false,
      },
    ];
  });
  for (const check of relation.checks) leave(`check ${check.name} of ${relation.id}`, check.expression);
  for (const trigger of relation.triggers)
    leave(`trigger ${trigger.name} of ${relation.id}`, 'write it anew');
  if (relation.partitionBy !== undefined)
    leave(`partitions of ${relation.id}`, 'it becomes one table; partition it afterwards where that pays');
  const types = new Map(columns.map((column) => [column.name, column.type]));
  const indexes = relation.indexes.flatMap((index) => adoptIndex(relation, index, types, names, leave));
  return {
    sequence,
    relation: {
      id: relation.id,
      schema: relation.schema,
      name: relation.name,
      kind: 'table',
      ...(relation.comment !== undefined && { comment: relation.comment }),
      columns,
      keys: indexes.filter((index) => index.isUnique).map(keyOf),
      checks,
      exclusions: [],
      foreignKeys: relation.foreignKeys.map((key) => adoptForeignKey(relation, key, names)),
      indexes,
      triggers: [],
      rules: [],
      policies: [],
      rowSecurity: 'off',
      grants: [],
      inherits: [],
      replicaIdentity: { kind: 'default' },
      persistence: 'permanent',
      options: [],
      estimatedRows: relation.estimatedRows,
      bytes: relation.bytes,
      reads: [],
      calls: [],
    },
  };
}

const MAXIMUM: Readonly<Record<string, string>> = {
  smallint: '32767',
  integer: '2147483647',
  bigint: '9223372036854775807',
};

function counterOf(relation: Relation, column: Column, type: string, names: Names): Sequence {
  const name = names.take(relation.schema, `${relation.name}_${column.name}_seq`);
  const use = { relation: relation.id, column: column.name };
  return {
    id: relationId(relation.schema, name),
    schema: relation.schema,
    name,
    type,
    start: '1',
    minimum: '1',
    maximum: MAXIMUM[type] as string,
    increment: '1',
    cache: '1',
    isCycling: false,
    lastValue: null,
    ownedBy: use,
    isIdentity: true,
    usedBy: [use],
    grants: [],
  };
}

function adoptIndex(
  relation: Relation,
  index: Index,
  types: ReadonlyMap<string, string>,
  names: Names,
  leave: (subject: string, what: string) => void,
): readonly Index[] {
  const what = index.isUnique ? 'unique index' : 'index';
  const isPrefix = index.predicate !== undefined;
  const isDocument = index.columns.some((column) => types.get(column) === 'jsonb' || !types.has(column));
  if (
    index.hasExpression ||
    !/^(?:btree|hash)$/.test(index.method) ||
    isDocument ||
    (isPrefix && index.isUnique)
  ) {
    leave(
      `${what} ${index.name} of ${relation.id}`,
      isPrefix ? 'it looks at the beginning of a value only' : index.definition,
    );
    return [];
  }
  const name = names.take(
    relation.schema,
    index.isPrimary
      ? `${relation.name}_pkey`
      : index.isUnique
        ? index.name
        : `${relation.name}_${index.name}`,
  );
  const columns = index.columns.map(quoteName).join(', ');
  return [
    {
      name,
      isUnique: index.isUnique,
      isPrimary: index.isPrimary,
      ...(index.isUnique && { constraint: name }),
      isValid: true,
      isImmediate: true,
      method: 'btree',
      columns: index.columns,
      hasExpression: false,
      include: [],
      definition: `CREATE ${index.isUnique ? 'UNIQUE ' : ''}INDEX ${quoteName(name)} ON ${quoteName(relation.schema)}.${quoteName(relation.name)} USING btree (${columns})`,
      isInherited: false,
      ...(index.comment !== undefined && { comment: index.comment }),
    },
  ];
}

/** As the server itself writes names. */
const quoteName = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !KEY_WORDS.has(name) ? name : quoteIdentifier(name);

function adoptForeignKey(relation: Relation, key: ForeignKey, names: Names): ForeignKey {
  const list = (columns: readonly string[]) => columns.map(quoteName).join(', ');
  const action = (word: string, when: string) =>
    word === 'no action' ? '' : ` ON ${when} ${word.toUpperCase()}`;
  // NO ACTION and RESTRICT are one there; it checks at once.
  const onDelete = key.onDelete === 'restrict' ? 'no action' : key.onDelete;
  const onUpdate = key.onUpdate === 'restrict' ? 'no action' : key.onUpdate;
  return {
    ...key,
    name: names.take(relation.schema, key.name),
    onDelete,
    onUpdate,
    definition:
      `FOREIGN KEY (${list(key.columns)}) REFERENCES ${quoteRelation(key.parent)}(${list(key.parentColumns)})` +
      action(onUpdate, 'UPDATE') +
      action(onDelete, 'DELETE'),
  };
}

function keyOf(index: Index): UniqueKey {
  return {
    name: index.name,
    kind: index.isPrimary ? 'primary' : 'unique',
    columns: index.columns,
    isDeferrable: false,
    isInitiallyDeferred: false,
    nullsNotDistinct: false,
    include: [],
  };
}

/** null: not known to mean the same; undefined: no default. */
export function adoptDefault(sql: string, type: string): string | null | undefined {
  const plain = sql.trim();
  const { word, isArray } = parseType(type);
  if (/^NULL$/i.test(plain)) return undefined;
  if (isArray) return plain === "''" ? `'{}'::${type}` : null;
  if (/^(?:current_timestamp|now)\b(?:\(\d*\))?(?:\(\))?$/i.test(plain))
    return /^timestamp/.test(word) ? 'CURRENT_TIMESTAMP' : null;
  if (/^(?:curdate|current_date)(?:\(\))?$/i.test(plain)) return word === 'date' ? 'CURRENT_DATE' : null;
  if (/^uuid\(\)$/i.test(plain)) return word === 'uuid' ? 'gen_random_uuid()' : null;
  const literal = /^'((?:[^']|'')*)'$/s.exec(plain)?.[1];
  if (literal !== undefined) {
    if (literal.includes('\\') || /^0000-00-00|-00/.test(literal)) return null;
    return word === 'bytea' ? null : `'${literal}'::${type}`;
  }
  if (/^-?\d+(?:\.\d+)?$/.test(plain)) return /^(?:bit|interval)/.test(word) ? null : plain;
  const bits = /^b'([01]+)'$/.exec(plain)?.[1];
  return bits === undefined || word !== 'bit'
    ? null
    : `B'${bits.padStart(parseType(type).args[0] ?? 1, '0')}'::"bit"`;
}
