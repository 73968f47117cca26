/** PostgreSQL: its roles put together. Each role stands in a file of its own beside this one. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { Capabilities, Database, OpenOptions } from '../engine.js';
import { PostgresChangeSource } from './postgres-change-source.js';
import { SessionPool } from './postgres-connection.js';
import { PostgresControl } from './postgres-control.js';
import { PostgresFence } from './postgres-fence.js';
import { PostgresIntrospector } from './postgres-introspector.js';
import { PostgresPreflight } from './postgres-preflight.js';
import { PostgresSinkFactory } from './postgres-sink.js';
import { PostgresSnapshot } from './postgres-snapshot.js';

export const CAPABILITIES: Capabilities = {
  transactionalDdl: true,
  fenceKind: 'lock',
  sharedSnapshots: true,
  logCapture: true,
  triggerCapture: false,
};

/** Roles for a process that may write. */
export async function openRoles(
  target: ConnectionTarget,
  options: OpenOptions,
): Promise<Omit<Database, 'checksum' | 'ddlRunner'>> {
  const pool = await SessionPool.open(target, options);
  const snapshot = new PostgresSnapshot(target, options);
  return {
    engine: 'postgres',
    target,
    capabilities: CAPABILITIES,
    introspector: new PostgresIntrospector(pool),
    preflight: new PostgresPreflight(pool, target),
    control: new PostgresControl(pool),
    changes: new PostgresChangeSource(pool, target, options.applicationName),
    sink: new PostgresSinkFactory(pool, target, options),
    snapshot,
    fence: new PostgresFence(pool, {
      target,
      applicationName: options.applicationName,
    }),
    close: async () => {
      await snapshot.close();
      await pool.close();
    },
  };
}
