/** A schema of another engine as this one would hold it: the same tables, columns, keys and references, in this engine's types. */
import type {
  Column,
  DatabaseSchema,
  ForeignKey,
  Index,
  Relation,
  UniqueKey,
} from '../../model/database-schema.js';
import type { RelationId } from '../../model/relation-id.js';
import { grantNotes } from '../adoption-grants.js';
import type { AdoptedSchema, AdoptionNote } from '../engine.js';
import { mapType, parseType } from '../type-mapping.js';
import { adoptDefault, adoptExpression } from './mysql-adopt-expression.js';
import { autoIncrementSequences } from './mysql-auto-increment.js';
import { quoteIdentifier, quoteRelation } from './mysql-sql.js';

/** Bytes of an InnoDB index entry, and of a row without its out-of-line values; characters take up to four. */
const INDEX_BYTES = 3072;
const ROW_BYTES = 60_000;
const TEXT_WORDS = new Set(['text', 'character varying', 'character', 'name', '"char"', 'citext', 'bytea']);
/** What a key over long text looks at where it need not tell values apart. */
const PREFIX = 191;

export function adoptMysqlSchema(schema: DatabaseSchema): AdoptedSchema {
  const notes: AdoptionNote[] = [...grantNotes(schema)];
  const sequences: Record<RelationId, RelationId> = {};
  const parents = new Set(
    schema.relations.flatMap((relation) =>
      relation.foreignKeys.flatMap((key) => key.parentColumns.map((column) => `${key.parent}.${column}`)),
    ),
  );
  const relations = schema.relations.flatMap((relation): Relation[] => {
    if (relation.kind === 'partition') return [];
    if (relation.kind !== 'table' && relation.kind !== 'partitioned') {
      notes.push(leftOut(`view ${relation.id}`, relation.id, 'its query is in the other SQL: write it anew'));
      return [];
    }
    const adopted = new TableAdoption(schema, relation, parents, notes).table();
    const counter = adopted.columns.find((column) => column.autoIncrement === true);
    const source = relation.columns.find((column) => column.name === counter?.name)?.sequence;
    if (counter !== undefined && source !== undefined) sequences[relation.id] = source;
    return [adopted];
  });
  for (const routine of schema.routines)
    notes.push(
      leftOut(`${routine.kind} ${routine.id}`, undefined, 'its body is in the other language: write it anew'),
    );
  const counted = new Set(Object.values(sequences));
  for (const sequence of schema.sequences)
    if (!counted.has(sequence.id))
      notes.push(leftOut(`sequence ${sequence.id}`, undefined, 'no auto-increment column takes its place'));
  return {
    schema: {
      engine: 'mysql',
      product: 'MySQL',
      version: 0,
      database: schema.database,
      origin: schema.origin,
      schemas: [...new Set(relations.map((relation) => relation.schema))].sort(),
      relations,
      types: [],
      sequences: autoIncrementSequences(relations),
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

class TableAdoption {
  readonly #limits: ReadonlyMap<string, number>;

  constructor(
    readonly schema: DatabaseSchema,
    readonly relation: Relation,
    parents: ReadonlySet<string>,
    readonly notes: AdoptionNote[],
  ) {
    this.#limits = this.#indexLimits(parents);
  }

  table(): Relation {
    const { relation } = this;
    const columns = this.#withCounter(this.#columns());
    const types = new Map(columns.map((column) => [column.name, column.type]));
    const indexes = this.#withReferencing(relation.indexes.flatMap((index) => this.#index(index, types)));
    for (const trigger of relation.triggers)
      if (!trigger.isInherited) this.#leave(`trigger ${trigger.name} of ${relation.id}`, 'write it anew');
    for (const rule of relation.rules)
      this.#leave(`rule ${rule.name} of ${relation.id}`, 'there are no rules here');
    for (const policy of relation.policies)
      this.#leave(
        `policy ${policy.name} of ${relation.id}`,
        'there is no row-level security here: use views or the application',
      );
    for (const exclusion of relation.exclusions)
      this.#leave(
        `exclusion constraint ${exclusion.name} of ${relation.id}`,
        'there is no such constraint here',
      );
    if (relation.kind === 'partitioned')
      this.#leave(
        `partitions of ${relation.id}`,
        'it becomes one table; partition it afterwards where that pays',
      );
    return {
      id: relation.id,
      schema: relation.schema,
      name: relation.name,
      kind: 'table',
      ...this.#comment(relation.id, relation.comment, 2048),
      columns,
      keys: indexes
        .filter((index) => index.isUnique)
        .map(keyOf)
        .sort((a, b) => (a.kind === b.kind ? (a.name < b.name ? -1 : 1) : a.kind === 'primary' ? -1 : 1)),
      checks: relation.checks.flatMap((check) => {
        const expression = adoptExpression(check.expression, relation.columns);
        if (expression === null) {
          this.#leave(`check ${check.name} of ${relation.id}`, check.expression);
          return [];
        }
        return [{ ...check, expression, isNoInherit: false, isInherited: false }];
      }),
      exclusions: [],
      foreignKeys: relation.foreignKeys.filter((key) => !key.isInherited).map((key) => this.#foreignKey(key)),
      indexes,
      triggers: [],
      rules: [],
      policies: [],
      rowSecurity: 'off',
      grants: [],
      inherits: [],
      replicaIdentity: { kind: 'full' },
      persistence: 'permanent',
      options: ['ENGINE=InnoDB', 'COLLATE=utf8mb4_bin'],
      estimatedRows: relation.estimatedRows,
      bytes: relation.bytes,
      reads: [],
      calls: [],
    };
  }

  #leave(subject: string, what: string): void {
    this.notes.push(leftOut(subject, this.relation.id, what));
  }

  /** Characters that each text column in a key may hold, so that all of the key's columns fit one entry. */
  #indexLimits(parents: ReadonlySet<string>): ReadonlyMap<string, number> {
    const { relation } = this;
    const isText = (name: string) => {
      const column = relation.columns.find((candidate) => candidate.name === name);
      return column !== undefined && TEXT_WORDS.has(parseType(column.type).word);
    };
    const sets = [
      ...relation.indexes
        .filter((index) => index.isUnique && index.predicate === undefined && !index.hasExpression)
        .map((index) => index.columns),
      ...relation.foreignKeys.map((key) => key.columns),
      ...relation.columns
        .filter((column) => parents.has(`${relation.id}.${column.name}`))
        .map((column) => [column.name]),
    ];
    const limits = new Map<string, number>();
    for (const columns of sets) {
      const texts = columns.filter(isText);
      const limit = Math.floor(
        (INDEX_BYTES - (columns.length - texts.length) * 36) / 4 / Math.max(1, texts.length),
      );
      for (const name of texts) limits.set(name, Math.min(limits.get(name) ?? limit, limit));
    }
    return limits;
  }

  #columns(): readonly Column[] {
    const { relation, schema } = this;
    const declared = relation.columns.reduce((bytes, column) => {
      const type = parseType(column.type);
      return bytes + (type.word === 'character varying' ? 4 * (type.args[0] ?? 0) : 8);
    }, 0);
    const longest = declared > ROW_BYTES ? 0 : undefined;
    return relation.columns.flatMap((column): Column[] => {
      const mapped = mapType(column, schema, 'mysql', {
        indexable: this.#limits.get(column.name) ?? null,
        isReference: false,
        ...(longest !== undefined && { longest }),
      });
      const subject = `${relation.id}.${column.name}`;
      if (mapped.loss !== undefined)
        this.notes.push({
          kind: 'loss',
          subject,
          relation: relation.id,
          what: `${column.type} → ${mapped.type}: ${mapped.loss}`,
        });
      const generated =
        column.generated === undefined
          ? undefined
          : adoptExpression(column.generated.expression, relation.columns);
      if (generated === null) {
        this.#leave(`generated column ${subject}`, column.generated?.expression ?? '');
        return [];
      }
      const given =
        column.identity === undefined && column.sequence === undefined ? column.default : undefined;
      const value = given === undefined ? undefined : adoptDefault(given, column, mapped.type);
      if (value === null)
        this.#leave(`default of ${subject}`, `${given ?? ''}: the application has to give the value`);
      return [
        {
          name: column.name,
          position: column.position,
          type: mapped.type,
          baseType: parseType(mapped.type).word,
          isArray: false,
          isNullable: column.isNullable,
          ...(value !== undefined && value !== null && { default: value }),
          ...(generated !== undefined && { generated: { expression: generated, stored: true } }),
          ...(mapped.isAscii && { characterSet: 'ascii', collation: 'ascii_bin' }),
          ...this.#comment(subject, column.comment, 1024),
          isInherited: false,
        },
      ];
    });
  }

  #comment(subject: string, comment: string | undefined, limit: number): { readonly comment?: string } {
    const characters = [...(comment ?? '')];
    if (comment === undefined || characters.length <= limit) return comment === undefined ? {} : { comment };
    this.notes.push({
      kind: 'loss',
      subject,
      relation: this.relation.id,
      what: `its comment of ${characters.length} characters is cut: ${limit} is the most here`,
    });
    return { comment: `${characters.slice(0, limit - 1).join('')}…` };
  }

  /** One counter a table, on a whole number that leads an index. */
  #withCounter(columns: readonly Column[]): readonly Column[] {
    const { relation } = this;
    const leads = new Set(relation.indexes.map((index) => index.columns[0]));
    const drawing = relation.columns.filter(
      (column) => column.identity !== undefined || column.sequence !== undefined,
    );
    const counter = drawing.find(
      (column) => leads.has(column.name) && /^(?:smallint|integer|bigint)$/.test(column.type),
    );
    for (const column of drawing)
      if (column !== counter)
        this.#leave(
          `default of ${relation.id}.${column.name}`,
          'a table has one auto-increment column, which leads an index: the application has to give the value',
        );
    return columns.map((column) =>
      column.name === counter?.name ? { ...column, autoIncrement: true } : column,
    );
  }

  #index(index: Index, types: ReadonlyMap<string, string>): readonly Index[] {
    const { relation } = this;
    const what = index.isUnique ? 'unique index' : 'index';
    if (!index.isValid) return [];
    if (index.hasExpression || index.predicate !== undefined || !['btree', 'hash'].includes(index.method)) {
      this.#leave(
        `${what} ${index.name} of ${relation.id}`,
        index.predicate !== undefined ? `it is partial (${index.predicate})` : index.definition,
      );
      return [];
    }
    const parts = index.columns.map((name) => {
      const word = parseType(types.get(name) ?? '').word;
      const isLong = /text$|blob$/.test(word) || word === 'json';
      return {
        name,
        sql: `${quoteIdentifier(name)}${isLong && word !== 'json' ? `(${PREFIX})` : ''}`,
        isJson: word === 'json',
      };
    });
    if (parts.some((part) => part.isJson)) {
      this.#leave(`${what} ${index.name} of ${relation.id}`, 'a json column has no index of this kind');
      return [];
    }
    const name = index.isPrimary ? 'PRIMARY' : index.name.slice(0, 64);
    const kind = index.isPrimary
      ? 'PRIMARY KEY'
      : `${index.isUnique ? 'UNIQUE ' : ''}KEY ${quoteIdentifier(name)}`;
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
        definition: `${kind} (${parts.map((part) => part.sql).join(', ')})`,
        isInherited: false,
        ...this.#comment(`${what} ${index.name} of ${relation.id}`, index.comment, 1024),
      },
    ];
  }

  /** The server makes an index for a reference that none leads with: said here, so that the plan says what will be there. */
  #withReferencing(indexes: readonly Index[]): readonly Index[] {
    const all = [...indexes];
    for (const key of this.relation.foreignKeys) {
      if (key.isInherited) continue;
      const isLed = all.some((index) => key.columns.every((column, i) => index.columns[i] === column));
      if (isLed) continue;
      const name = key.name.slice(0, 64);
      all.push({
        name,
        isUnique: false,
        isPrimary: false,
        isValid: true,
        isImmediate: true,
        method: 'btree',
        columns: key.columns,
        hasExpression: false,
        include: [],
        definition: `KEY ${quoteIdentifier(name)} (${key.columns.map(quoteIdentifier).join(', ')})`,
        isInherited: false,
      });
    }
    return all;
  }

  #foreignKey(key: ForeignKey): ForeignKey {
    const list = (names: readonly string[]) => names.map(quoteIdentifier).join(', ');
    const action = (word: ForeignKey['onDelete']): ForeignKey['onDelete'] => {
      if (word !== 'set default') return word;
      this.#leave(
        `SET DEFAULT of ${key.name} on ${this.relation.id}`,
        'InnoDB has no such action: it refuses instead',
      );
      return 'no action';
    };
    const onDelete = action(key.onDelete);
    const onUpdate = action(key.onUpdate);
    return {
      ...key,
      name: key.name.slice(0, 64),
      onDelete,
      onUpdate,
      match: 'simple',
      isDeferrable: false,
      isInitiallyDeferred: false,
      isValidated: true,
      definition:
        `FOREIGN KEY (${list(key.columns)}) REFERENCES ${quoteRelation(key.parent)} (${list(key.parentColumns)})` +
        ` ON DELETE ${onDelete.toUpperCase()} ON UPDATE ${onUpdate.toUpperCase()}`,
    };
  }
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
