/** The engines dbps knows, each loaded when it is first asked for: drivers are slow to import. */
import type { DbpsError } from '../model/errors.js';
import type { EngineName } from '../model/database-schema.js';
import type { Engine } from './engine.js';
import { describeError as describeMysqlError } from './mysql/mysql-errors.js';
import { describeError as describePostgresError } from './postgres/postgres-errors.js';

const LOADERS = {
  postgres: async () => (await import('./postgres/postgres-engine.js')).postgresEngine,
  mysql: async () => (await import('./mysql/mysql-engine.js')).mysqlEngine,
} as const satisfies Partial<Record<EngineName, () => Promise<Engine>>>;

export const ENGINE_NAMES = Object.keys(LOADERS) as readonly EngineName[];

/** @throws RangeError for an engine that this build does not have. */
export async function loadEngine(name: EngineName): Promise<Engine> {
  const load = (LOADERS as Partial<Record<EngineName, () => Promise<Engine>>>)[name];
  if (load === undefined)
    throw new RangeError(`no engine "${name}"; this build has ${ENGINE_NAMES.join(', ')}`);
  return load();
}

/** What a driver threw and nobody handled, in dbps's own terms; null when no engine knows it. Imports no driver. */
export function describeEngineError(error: unknown): DbpsError | null {
  for (const describe of [describePostgresError, describeMysqlError]) {
    const described = describe(error);
    if (described !== null) return described;
  }
  return null;
}
