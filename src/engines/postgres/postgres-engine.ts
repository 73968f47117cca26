/** PostgreSQL: its roles put together. Each role stands in a file of its own beside this one. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { Capabilities, Database, Engine, OpenOptions, ReadOnlyDatabase } from '../engine.js';
import { PostgresCaptureObserver, PostgresChangeSource } from './postgres-change-source.js';
import { PostgresChecksum } from './postgres-checksum.js';
import { SessionPool } from './postgres-connection.js';
import { PostgresControl } from './postgres-control.js';
import { createDatabaseIfMissing, databaseExists } from './postgres-database.js';
import { PostgresDdlRunner } from './postgres-ddl-runner.js';
import { postgresDdl } from './postgres-ddl.js';
import { postgresDumpReader } from './postgres-dump-reader.js';
import { PostgresFence, PostgresFenceObserver } from './postgres-fence.js';
import { PostgresIntrospector } from './postgres-introspector.js';
import { PostgresPreflight } from './postgres-preflight.js';
import { PostgresReferenceProbe } from './postgres-reference-probe.js';
import { PostgresRetirement } from './postgres-retirement.js';
import { PostgresSinkFactory } from './postgres-sink.js';
import { PostgresSnapshot } from './postgres-snapshot.js';
import { PostgresTriggerObserver, PostgresTriggerSource } from './postgres-trigger-source.js';
import { PostgresTraceReader, PostgresTraceRemover } from './postgres-traces.js';
import { PostgresWorkload } from './postgres-workload.js';
import { postgresStatementReader } from './postgres-statement-reader.js';

export const CAPABILITIES: Capabilities = {
  transactionalDdl: true,
  fenceKind: 'lock',
  sharedSnapshots: true,
  logCapture: true,
  triggerCapture: true,
  schemasAreDatabases: false,
};

export const postgresEngine: Engine = {
  name: 'postgres',
  capabilities: CAPABILITIES,
  open: openRoles,
  openReadOnly,
  databaseExists,
  createDatabaseIfMissing,
  ddl: postgresDdl,
  dumpReader: postgresDumpReader,
  statementReader: postgresStatementReader,
};

/** Roles for a process that may write. */
export async function openRoles(target: ConnectionTarget, options: OpenOptions): Promise<Database> {
  const pool = await SessionPool.open(target, options);
  const changes =
    options.capture === 'trigger'
      ? new PostgresTriggerSource(pool, target, options.applicationName)
      : new PostgresChangeSource(pool, target, options.applicationName);
  const snapshot = new PostgresSnapshot(target, options, options.capture === 'trigger' ? changes : undefined);
  const checksum = new PostgresChecksum(target, options);
  return {
    engine: 'postgres',
    target,
    capabilities: CAPABILITIES,
    introspector: new PostgresIntrospector(pool),
    checksum,
    preflight: new PostgresPreflight(pool, target, options.capture),
    control: new PostgresControl(pool),
    ddlRunner: new PostgresDdlRunner(pool),
    changes,
    sink: new PostgresSinkFactory(pool, target, options),
    snapshot,
    traces: new PostgresTraceRemover(pool),
    workload: new PostgresWorkload(pool),
    references: new PostgresReferenceProbe(pool),
    fence: new PostgresFence(pool, { target, applicationName: options.applicationName }),
    retirement: new PostgresRetirement(pool),
    close: async () => {
      await checksum.close();
      await snapshot.close();
      await pool.close();
    },
  };
}

/**
 * Sessions that the server holds read-only, and no role that changes anything: a read-only session still creates a replication slot, so
 * the one does not stand in for the other.
 */
async function openReadOnly(target: ConnectionTarget, options: OpenOptions): Promise<ReadOnlyDatabase> {
  const pool = await SessionPool.open(target, { ...options, readOnly: true });
  const checksum = new PostgresChecksum(target, options);
  const control = new PostgresControl(pool);
  return {
    engine: 'postgres',
    target,
    capabilities: CAPABILITIES,
    introspector: new PostgresIntrospector(pool),
    checksum,
    preflight: new PostgresPreflight(pool, target, options.capture),
    control: {
      isInstalled: () => control.isInstalled(),
      readEpoch: (service) => control.readEpoch(service),
      readCheckpoint: (service, direction) => control.readCheckpoint(service, direction),
      readCopyProgress: (service) => control.readCopyProgress(service),
      readKeySets: (service, direction) => control.readKeySets(service, direction),
      readChangedKeys: (stream, map, limit) => control.readChangedKeys(stream, map, limit),
    },
    changes:
      options.capture === 'trigger'
        ? new PostgresTriggerObserver(pool, target)
        : new PostgresCaptureObserver(pool, target),
    traces: new PostgresTraceReader(pool),
    workload: new PostgresWorkload(pool),
    references: new PostgresReferenceProbe(pool),
    fence: new PostgresFenceObserver(pool),
    close: async () => {
      await checksum.close();
      await pool.close();
    },
  };
}
