/** A first dbps.yaml: what can be detected is detected, the rest is written as a comment. Writes nothing itself. */
import type { Environment } from '../config/interpolate.js';
import { connectionTarget } from '../config/connection.js';
import { renderConfig } from '../config/render.js';
import type { EngineName } from '../model/database-schema.js';
import { isOwnable } from '../model/database-schema.js';
import { openReadOnly } from './databases.js';

/** Names under which the shared database's URL is usually found, best first. */
export const URL_VARIABLES = ['SHARED_DATABASE_URL', 'DBPS_SOURCE_URL', 'DATABASE_URL'] as const;

export interface InitOptions {
  readonly environment: Environment;
  readonly urlVariable?: string | undefined;
  readonly engine?: EngineName | undefined;
  readonly signal?: AbortSignal;
}

export interface InitResult {
  readonly text: string;
  readonly engine: EngineName;
  readonly urlVariable: string;
  /** What was read; null when the variable is not set and nothing could be asked. */
  readonly database: {
    readonly url: string;
    readonly product: string;
    readonly schemas: readonly string[];
    readonly relations: number;
  } | null;
}

/** @throws ConnectionUrlError, DatabaseError when the variable is set and does not lead to a database. */
export async function draftConfig(options: InitOptions): Promise<InitResult> {
  const { variables } = options.environment;
  const urlVariable =
    options.urlVariable ?? URL_VARIABLES.find((name) => (variables[name] ?? '') !== '') ?? URL_VARIABLES[0];
  const url = variables[urlVariable] ?? '';
  if (url === '') {
    const engine = options.engine ?? 'postgres';
    const schemas = engine === 'postgres' ? ['public'] : ['shop'];
    const text = renderConfig({ engine, urlVariable, schemas, services: [], shared: [] });
    return { text, engine, urlVariable, database: null };
  }
  const target = connectionTarget({ url, engine: options.engine, directory: options.environment.directory });
  const database = await openReadOnly(target, options.signal);
  try {
    const schema = await database.introspector.read(
      options.signal === undefined ? {} : { signal: options.signal },
    );
    const own = schema.relations.filter(isOwnable);
    const used = schema.schemas.filter((name) => own.some((relation) => relation.schema === name));
    // The one that most relations are in comes first: it is the one that need not be written out.
    const size = (name: string) => own.filter((relation) => relation.schema === name).length;
    const schemas =
      used.length === 0
        ? [target.engine === 'postgres' ? 'public' : target.database]
        : used.toSorted((a, b) => size(b) - size(a));
    return {
      text: renderConfig({ engine: target.engine, urlVariable, schemas, services: [], shared: [] }),
      engine: target.engine,
      urlVariable,
      database: { url: target.toString(), product: schema.product, schemas, relations: own.length },
    };
  } finally {
    await database.close();
  }
}
