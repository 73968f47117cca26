/**
 * Moves objects from one schema to another, in ids and in the SQL that names them. Only pairs `schema.name` of objects that exist are
 * rewritten, so that an alias which happens to be called like a schema stays what it is; literals are left alone except
 * `'schema.name'::regclass` and its kin, and function bodies.
 */
import type { DatabaseSchema, Grant } from '../model/database-schema.js';
import { parseRelationId, relationId, type RelationId } from '../model/relation-id.js';
import { QUALIFIED_NAME, unquoteName } from '../model/sql-names.js';

export type SchemaMap = Readonly<Record<string, string>>;

export function inverseSchemaMap(map: SchemaMap): SchemaMap {
  return Object.fromEntries(Object.entries(map).map(([from, to]) => [to, from]));
}

/** As the name before it was written: a dialect with backticks takes no double quotes. */
function quoteLike(written: string, name: string): string {
  if (written.startsWith('`')) return `\`${name.replaceAll('`', '``')}\``;
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export const extensionSchemas = (schema: DatabaseSchema): readonly string[] =>
  schema.extensions.map((extension) => extension.schema).filter((name) => name !== 'pg_catalog');

export class SchemaRenaming {
  private readonly isIdentity: boolean;
  private readonly known: ReadonlySet<string>;

  constructor(
    schema: DatabaseSchema,
    private readonly map: SchemaMap,
  ) {
    this.isIdentity = Object.entries(map).every(([from, to]) => from === to);
    this.known = new Set([
      ...schema.relations.flatMap((relation) => [
        relation.id,
        ...relation.indexes.map((index) => relationId(relation.schema, index.name)),
        ...relation.triggers.map((trigger) => relationId(relation.schema, trigger.name)),
      ]),
      ...schema.types.map((type) => relationId(type.schema, type.name)),
      ...schema.sequences.map((sequence) => sequence.id),
      ...schema.routines.map((routine) => relationId(routine.schema, routine.name)),
    ]);
  }

  schema(name: string): string {
    return this.map[name] ?? name;
  }

  relation(id: RelationId): RelationId {
    if (this.isIdentity) return id;
    const { schema, name } = parseRelationId(id);
    return relationId(this.schema(schema), name);
  }

  text(sql: string): string {
    if (this.isIdentity) return sql;
    const named = sql.replaceAll(QUALIFIED_NAME, (whole, schema: string, name: string) => {
      const to = this.map[unquoteName(schema)];
      return to === undefined || !this.known.has(relationId(unquoteName(schema), unquoteName(name)))
        ? whole
        : `${quoteLike(schema, to)}.${name}`;
    });
    return named.replaceAll(
      /(SET search_path TO )([^\n]*)/g,
      (_, head: string, list: string) =>
        head +
        list.replaceAll(/'((?:[^']|'')*)'/g, (literal, schema: string) =>
          this.map[schema] === undefined ? literal : `'${this.map[schema]}'`,
        ),
    );
  }

  optionalText<K extends string>(key: K, sql: string | undefined): { readonly [P in K]?: string } {
    return (sql === undefined ? {} : { [key]: this.text(sql) }) as { readonly [P in K]?: string };
  }

  private withObjects(schema: DatabaseSchema): readonly string[] {
    const owners = [schema.relations, schema.types, schema.sequences, schema.routines].flatMap((objects) =>
      objects.map((object) => object.schema),
    );
    return schema.schemas.filter((name) => owners.includes(name));
  }

  /** The whole schema under its new names. */
  apply(schema: DatabaseSchema): DatabaseSchema {
    if (this.isIdentity) return schema;
    const ids = (list: readonly RelationId[]) => list.map((id) => this.relation(id));
    const at = (use: { readonly relation: RelationId; readonly column: string }) => ({
      ...use,
      relation: this.relation(use.relation),
    });
    return {
      ...schema,
      // An extension stays where it is: its members are named in too many ways to follow.
      schemas: [
        ...new Set([
          ...this.withObjects(schema).map((name) => this.schema(name)),
          ...extensionSchemas(schema),
        ]),
      ].sort(),
      relations: schema.relations.map((relation) => ({
        ...relation,
        id: this.relation(relation.id),
        schema: this.schema(relation.schema),
        columns: relation.columns.map((column) => ({
          ...column,
          type: this.text(column.type),
          ...(column.userType !== undefined && { userType: this.relation(column.userType) }),
          ...(column.rowTypeOf !== undefined && { rowTypeOf: this.relation(column.rowTypeOf) }),
          ...this.optionalText('default', column.default),
          ...(column.sequence !== undefined && { sequence: this.relation(column.sequence) }),
          ...(column.generated !== undefined && {
            generated: { ...column.generated, expression: this.text(column.generated.expression) },
          }),
          ...this.optionalText('collation', column.collation),
        })),
        checks: relation.checks.map((check) => ({ ...check, expression: this.text(check.expression) })),
        exclusions: relation.exclusions.map((item) => ({ ...item, definition: this.text(item.definition) })),
        foreignKeys: relation.foreignKeys.map((key) => ({
          ...key,
          parent: this.relation(key.parent),
          definition: this.text(key.definition),
        })),
        indexes: relation.indexes.map((index) => ({
          ...index,
          definition: this.text(index.definition),
          ...this.optionalText('predicate', index.predicate),
          ...(index.parent !== undefined && { parent: this.relation(index.parent) }),
        })),
        triggers: relation.triggers.map((trigger) => ({
          ...trigger,
          ...(trigger.routine !== undefined && { routine: this.relation(trigger.routine) }),
          definition: this.text(trigger.definition),
          reads: ids(trigger.reads),
          writes: ids(trigger.writes),
          ...(trigger.calls !== undefined && { calls: ids(trigger.calls) }),
        })),
        rules: relation.rules.map((rule) => ({
          ...rule,
          definition: this.text(rule.definition),
          touches: ids(rule.touches),
        })),
        policies: relation.policies.map((policy) => ({
          ...policy,
          definition: this.text(policy.definition),
        })),
        ...(relation.partitionOf !== undefined && {
          partitionOf: { ...relation.partitionOf, parent: this.relation(relation.partitionOf.parent) },
        }),
        inherits: ids(relation.inherits),
        ...this.optionalText('definition', relation.definition),
        reads: ids(relation.reads),
        calls: ids(relation.calls),
      })),
      types: schema.types.map((type) => {
        const head = { schema: this.schema(type.schema) };
        switch (type.kind) {
          case 'enum':
            return { ...type, ...head };
          case 'domain':
            return {
              ...type,
              ...head,
              baseType: this.text(type.baseType),
              ...this.optionalText('default', type.default),
              ...this.optionalText('collation', type.collation),
              checks: type.checks.map((check) => ({ ...check, expression: this.text(check.expression) })),
              ...(type.rowTypes !== undefined && { rowTypes: type.rowTypes.map((id) => this.relation(id)) }),
            };
          case 'composite':
            return {
              ...type,
              ...head,
              attributes: type.attributes.map((attribute) => ({
                ...attribute,
                type: this.text(attribute.type),
              })),
              ...(type.rowTypes !== undefined && { rowTypes: type.rowTypes.map((id) => this.relation(id)) }),
            };
          case 'range':
            return { ...type, ...head, subtype: this.text(type.subtype) };
        }
      }),
      sequences: schema.sequences.map((sequence) => ({
        ...sequence,
        id: this.relation(sequence.id),
        schema: this.schema(sequence.schema),
        ...(sequence.ownedBy !== undefined && { ownedBy: at(sequence.ownedBy) }),
        usedBy: sequence.usedBy.map(at),
      })),
      routines: schema.routines.map((routine) => ({
        ...routine,
        // Where names are overloaded the signature is part of the id.
        id:
          this.relation(relationId(routine.schema, routine.name)) +
          (routine.id.endsWith(')') ? this.text(routine.signature) : ''),
        schema: this.schema(routine.schema),
        signature: this.text(routine.signature),
        ...this.optionalText('returns', routine.returns),
        definition: this.text(routine.definition),
        reads: ids(routine.reads),
        writes: ids(routine.writes),
        calls: ids(routine.calls),
      })),
      ...(schema.schemaGrants !== undefined && {
        schemaGrants: schema.schemaGrants.map((grant: Grant & { readonly schema: string }) => ({
          ...grant,
          schema: this.schema(grant.schema),
        })),
      }),
      ...(schema.schemaComments !== undefined && {
        schemaComments: Object.fromEntries(
          Object.entries(schema.schemaComments)
            .filter(([name]) => name !== 'public')
            .map(([name, comment]) => [this.schema(name), comment]),
        ),
      }),
    };
  }
}
