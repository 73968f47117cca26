/** Schemas for tests as they would be written down: tables with columns, keys and references in one line each. */
import type { Column, DatabaseSchema, ForeignKey, Relation } from '../../src/model/database-schema.js';
import { relationId } from '../../src/model/relation-id.js';

/**
 * `orders: id! customer_id! -> customers cascade, note`: `!` NOT NULL, `*` part of the primary key (the first column is, when none is
 * marked), `-> parent` a reference to its `id`, then `cascade` or `null` for what a delete does.
 */
export function relation(line: string, more: Partial<Relation> = {}): Relation {
  const colon = line.indexOf(':');
  const [name, rest] = [line.slice(0, colon), line.slice(colon + 1).trim()];
  const [schema, table] = name.includes('.') ? (name.split('.') as [string, string]) : ['public', name];
  const columns: Column[] = [];
  const foreignKeys: ForeignKey[] = [];
  const primary: string[] = [];
  for (const part of rest.split(/,\s*/).filter((text) => text !== '')) {
    const match = /^(\w+)([!*]*)(?::(\w+))?(?:\s*->\s*([\w.]+)(?:\s+(cascade|null))?)?$/.exec(part);
    if (match === null) throw new Error(`cannot read "${part}"`);
    const [, column = '', marks = '', type = 'int8', parent, onDelete] = match;
    if (marks.includes('*')) primary.push(column);
    columns.push({
      name: column,
      position: columns.length + 1,
      type,
      baseType: type,
      isArray: false,
      isNullable: marks === '',
      isInherited: false,
    });
    if (parent !== undefined)
      foreignKeys.push({
        name: `${table}_${column}_fkey`,
        columns: [column],
        parent: parent.includes('.') ? parent : relationId(schema, parent),
        parentColumns: ['id'],
        onDelete: onDelete === 'cascade' ? 'cascade' : onDelete === 'null' ? 'set null' : 'no action',
        onUpdate: 'no action',
        match: 'simple',
        isDeferrable: false,
        isInitiallyDeferred: false,
        isValidated: true,
        isInherited: false,
        definition: '',
      });
  }
  const key = primary.length > 0 ? primary : columns.slice(0, 1).map((column) => column.name);
  return {
    id: relationId(schema, table),
    schema,
    name: table,
    kind: 'table',
    columns: columns.map((column) => (key.includes(column.name) ? { ...column, isNullable: false } : column)),
    keys: [
      {
        name: `${table}_pkey`,
        kind: 'primary',
        columns: key,
        isDeferrable: false,
        isInitiallyDeferred: false,
        nullsNotDistinct: false,
        include: [],
      },
    ],
    checks: [],
    exclusions: [],
    foreignKeys,
    indexes: [],
    triggers: [],
    rules: [],
    policies: [],
    rowSecurity: 'off',
    grants: [],
    inherits: [],
    replicaIdentity: { kind: 'default' },
    persistence: 'permanent',
    options: [],
    estimatedRows: null,
    bytes: null,
    reads: [],
    calls: [],
    ...more,
  };
}

export function schemaOf(relations: readonly Relation[], more: Partial<DatabaseSchema> = {}): DatabaseSchema {
  return {
    engine: 'postgres',
    product: 'PostgreSQL 17',
    version: 170000,
    database: 'shop',
    origin: 'dump',
    schemas: [...new Set(relations.map((found) => found.schema))].sort(),
    relations,
    types: [],
    sequences: [],
    routines: [],
    extensions: [],
    unsupported: [],
    ...more,
  };
}

/** A shop of four clear parts. */
export const SHOP = [
  'customers: id, name!, email!',
  'customer_addresses: id, customer_id! -> customers cascade, street, country_id! -> countries',
  'customer_notes: id, customer_id! -> customers cascade, note, created_by -> users',
  'products: id, name!, price!',
  'product_images: id, product_id! -> products cascade, path',
  'product_categories: id, name!',
  'product_category_members: product_id* -> products cascade, product_category_id* -> product_categories cascade',
  'orders: id, customer_id! -> customers, placed_at!, currency_id! -> currencies',
  'order_items: order_id* -> orders cascade, line*, product_id! -> products, quantity!',
  'order_events: id, order_id! -> orders cascade, kind!, created_by -> users',
  'invoices: id, order_id! -> orders, total!, country_id! -> countries',
  'invoice_lines: id, invoice_id! -> invoices cascade, amount!',
  'invoice_payments: id, invoice_id! -> invoices, amount!, currency_id! -> currencies',
  'countries: id, name!',
  'currencies: id, code!',
  'users: id, login!, password_hash!',
  'user_roles: id, user_id! -> users cascade, role!',
  'user_sessions: id, user_id! -> users cascade, token!',
];
