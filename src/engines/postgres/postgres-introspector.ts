/**
 * A live PostgreSQL's shape, from pg_catalog alone: every user may read it, so a read-only user sees everything it should. One
 * query a subject, one JSON value an answer, no query per relation. `readSchema` takes any session, so that the
 * cutover can look from behind its own locks; the session's search_path must hold nothing of the user's (clientConfig pins it), because
 * then the server writes every name in full.
 */
import type pg from 'pg';
import type { DatabaseSchema } from '../../model/database-schema.js';
import { parseRelationId, type RelationId } from '../../model/relation-id.js';
import type { IntrospectOptions, Introspector } from '../engine.js';
import type { SessionPool } from './postgres-connection.js';
import { assembleSchema, type CatalogueRows } from './postgres-schema-assembly.js';
import { POLICIES, RULES, TRIGGERS } from './sql/behaviour.js';
import { COLUMNS, type ColumnRow } from './sql/columns.js';
import { CONSTRAINTS } from './sql/constraints.js';
import { EXTENSIONS, SCHEMAS, VIEW_DEPENDENCIES } from './sql/dependencies.js';
import { GRANTS } from './sql/grants.js';
import { INDEXES } from './sql/indexes.js';
import { DESCENDANTS, RELATIONS } from './sql/relations.js';
import { ROUTINES } from './sql/routines.js';
import { SEQUENCES } from './sql/sequences.js';
import { TYPES } from './sql/types.js';
import { UNSUPPORTED } from './sql/unsupported.js';

export type CatalogueReader = Pick<pg.ClientBase, 'query'>;

const IDENTITY = `SELECT current_database() AS database, current_setting('server_version') AS product,
  current_setting('server_version_num') AS version,
  (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles WHERE rolsuper OR rolname = current_user)::text AS administrators`;

/** src/include/access/transam.h, FirstNormalObjectId: what comes from initdb is below it. */
const FIRST_USER_OID = 16384;

interface ReadOptions extends IntrospectOptions {
  /** Without sizes nothing is asked of the file system. Default true. */
  readonly sizes?: boolean;
}

async function rowsOf<T>(
  client: CatalogueReader,
  sql: string,
  parameters: readonly unknown[],
): Promise<readonly T[]> {
  const { rows } = await client.query<{ rows: string }>(sql, parameters as unknown[]);
  return JSON.parse(rows[0]?.rows ?? '[]') as T[];
}

async function readIdentity(client: CatalogueReader): Promise<CatalogueRows['identity']> {
  const { rows } = await client.query<{
    database: string;
    product: string;
    version: string;
    administrators: string;
  }>(IDENTITY);
  const row = rows[0];
  if (row === undefined) throw new Error('the server did not say who it is');
  return {
    database: row.database,
    product: `PostgreSQL ${row.product.split(' ')[0]}`,
    version: Number(row.version),
    administrators: JSON.parse(row.administrators) as string[],
  };
}

/** Everything that the model holds. One consistent picture when the session is in a repeatable-read transaction. */
export async function readSchema(
  client: CatalogueReader,
  options: ReadOptions = {},
): Promise<DatabaseSchema> {
  const scope = [options.schemas ?? null, null];
  const read = async <T>(sql: string, extra: readonly unknown[] = []): Promise<readonly T[]> => {
    options.signal?.throwIfAborted();
    return rowsOf<T>(client, sql, [...scope, ...extra]);
  };
  const identity = await readIdentity(client);
  return assembleSchema({
    identity,
    schemas: await read(SCHEMAS),
    relations: await read(RELATIONS, [options.sizes ?? true]),
    columns: await read(COLUMNS),
    constraints: await read(CONSTRAINTS),
    indexes: await read(INDEXES),
    triggers: await read(TRIGGERS),
    rules: await read(RULES),
    policies: await read(POLICIES),
    types: await read(TYPES),
    routines: await read(ROUTINES),
    sequences: await read(SEQUENCES),
    grants: await read(GRANTS),
    viewDependencies: await read(VIEW_DEPENDENCIES),
    extensions: await read(EXTENSIONS),
    unsupported: await read(UNSUPPORTED),
  });
}

/**
 * The named relations and everything below them (partitions, inheritance children), with what a fingerprint is made of:
 * columns, keys, constraints, indexes, types. Small enough for the pause of a cutover.
 */
export async function readRelationShapes(
  client: CatalogueReader,
  relations: readonly RelationId[],
): Promise<DatabaseSchema> {
  const names = relations.map((id) => {
    const { schema, name } = parseRelationId(id);
    return [schema, name];
  });
  const { rows } = await client.query<{ oids: string }>(DESCENDANTS, [JSON.stringify(names)]);
  const scope = [null, rows[0]?.oids ?? '{}'];
  const columns = await rowsOf<ColumnRow>(client, COLUMNS, scope);
  const usesOwnTypes = columns.some((column) => Number(column.typeOid) >= FIRST_USER_OID);
  return assembleSchema({
    // Nothing of it is part of a shape, and a query is time of the pause.
    identity: { database: '', product: 'PostgreSQL', version: 0, administrators: [] },
    schemas: [],
    relations: await rowsOf(client, RELATIONS, [...scope, false]),
    columns,
    constraints: await rowsOf(client, CONSTRAINTS, scope),
    indexes: await rowsOf(client, INDEXES, scope),
    triggers: [],
    rules: [],
    policies: [],
    types: usesOwnTypes ? await rowsOf(client, TYPES, scope) : [],
    routines: [],
    sequences: [],
    grants: [],
    viewDependencies: [],
    extensions: [],
    unsupported: [],
  });
}

export class PostgresIntrospector implements Introspector {
  constructor(private readonly pool: SessionPool) {}

  async read(options: IntrospectOptions): Promise<DatabaseSchema> {
    return this.pool.transaction(
      (client) => readSchema(client, options),
      'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    );
  }

  async readRelations(relations: readonly RelationId[]): Promise<DatabaseSchema> {
    return this.pool.transaction(
      (client) => readRelationShapes(client, relations),
      'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    );
  }
}
