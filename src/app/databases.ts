/** Opening a configured database: the engine is picked by its name, and a missing one is an error of dbps's own. */
import type { Config } from '../config/config.js';
import type { CaptureMethod, Database, Engine, ReadOnlyDatabase } from '../engines/engine.js';
import { loadEngine } from '../engines/registry.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import { DatabaseError } from '../model/errors.js';

export async function engineOf(target: Pick<ConnectionTarget, 'engine'>): Promise<Engine> {
  try {
    return await loadEngine(target.engine);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DatabaseError({
      code: 'DBPS_E416',
      message: error.message,
      hint: 'dbps --version',
      cause: error,
    });
  }
}

/** `auto` is the log: triggers cost every write, so they are chosen by whoever cannot do without. */
export function captureOf({ migration }: Pick<Config, 'migration'>): CaptureMethod {
  return migration.capture === 'trigger' ? 'trigger' : 'log';
}

export async function openReadOnly(
  target: ConnectionTarget,
  signal?: AbortSignal,
  capture: CaptureMethod = 'log',
): Promise<ReadOnlyDatabase> {
  const engine = await engineOf(target);
  return engine.openReadOnly(target, {
    applicationName: 'dbps',
    capture,
    ...(signal !== undefined && { signal }),
  });
}

export async function openDatabase(target: ConnectionTarget, signal?: AbortSignal): Promise<Database> {
  const engine = await engineOf(target);
  return engine.open(target, { applicationName: 'dbps', ...(signal !== undefined && { signal }) });
}
