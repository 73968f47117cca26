/** MySQL and MariaDB: their roles put together. Each role stands in a file of its own beside this one. */
import type { ConnectionTarget } from '../../model/connection-target.js';
import type { Capabilities, Database, Engine, OpenOptions, ReadOnlyDatabase } from '../engine.js';
import { MysqlCaptureObserver, MysqlChangeSource } from './mysql-change-source.js';
import { MysqlChecksum } from './mysql-checksum.js';
import { MysqlPool } from './mysql-connection.js';
import { MysqlControl } from './mysql-control.js';
import { createDatabaseIfMissing, databaseExists } from './mysql-database.js';
import { MysqlDdlRunner } from './mysql-ddl-runner.js';
import { mysqlDdl } from './mysql-ddl.js';
import { mysqlDumpReader } from './mysql-dump-reader.js';
import { MysqlFence, MysqlFenceObserver } from './mysql-fence.js';
import { MysqlIntrospector } from './mysql-introspector.js';
import { MysqlPreflight } from './mysql-preflight.js';
import { MysqlReferenceProbe } from './mysql-reference-probe.js';
import { MysqlRetirement } from './mysql-retirement.js';
import { MysqlSinkFactory } from './mysql-sink.js';
import { MysqlSnapshot } from './mysql-snapshot.js';
import { mysqlStatementReader } from './mysql-statement-reader.js';
import { MysqlTriggerObserver, MysqlTriggerSource } from './mysql-trigger-source.js';
import { MysqlTraceReader, MysqlTraceRemover } from './mysql-traces.js';
import { MysqlWorkload } from './mysql-workload.js';

export const CAPABILITIES: Capabilities = {
  transactionalDdl: false,
  fenceKind: 'control-row',
  sharedSnapshots: false,
  logCapture: true,
  triggerCapture: true,
  schemasAreDatabases: true,
};

export const mysqlEngine: Engine = {
  name: 'mysql',
  capabilities: CAPABILITIES,
  open: openRoles,
  openReadOnly,
  databaseExists,
  createDatabaseIfMissing,
  ddl: mysqlDdl,
  dumpReader: mysqlDumpReader,
  statementReader: mysqlStatementReader,
};

/** Roles for a process that may write. */
export async function openRoles(target: ConnectionTarget, options: OpenOptions): Promise<Database> {
  const pool = await MysqlPool.open(target, options);
  const changes =
    options.capture === 'trigger'
      ? new MysqlTriggerSource(pool, target, options.applicationName)
      : new MysqlChangeSource(pool, target, options.applicationName);
  const snapshot = new MysqlSnapshot(target, options, changes);
  const checksum = new MysqlChecksum(target, options);
  return {
    engine: 'mysql',
    target,
    capabilities: CAPABILITIES,
    introspector: new MysqlIntrospector(pooled(pool), target.database),
    checksum,
    preflight: new MysqlPreflight(pool, target, options.capture),
    control: new MysqlControl(pool),
    ddlRunner: new MysqlDdlRunner(pool),
    changes,
    sink: new MysqlSinkFactory(pool, target, options),
    snapshot,
    traces: new MysqlTraceRemover(pool),
    workload: new MysqlWorkload(pool),
    references: new MysqlReferenceProbe(pool),
    fence: new MysqlFence(pool, { target, applicationName: options.applicationName }),
    retirement: new MysqlRetirement(pool),
    close: async () => {
      await checksum.close();
      await snapshot.close();
      await pool.close();
    },
  };
}

const pooled = (pool: MysqlPool): ConstructorParameters<typeof MysqlIntrospector>[0] => ({
  query: ({ sql, values }) => pool.query(sql, values),
});

/** Sessions that the server holds read-only, and no role that changes anything. */
async function openReadOnly(target: ConnectionTarget, options: OpenOptions): Promise<ReadOnlyDatabase> {
  const pool = await MysqlPool.open(target, { ...options, readOnly: true });
  const checksum = new MysqlChecksum(target, options);
  const control = new MysqlControl(pool);
  return {
    engine: 'mysql',
    target,
    capabilities: CAPABILITIES,
    introspector: new MysqlIntrospector(pooled(pool), target.database),
    checksum,
    preflight: new MysqlPreflight(pool, target, options.capture),
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
        ? new MysqlTriggerObserver(pool, target)
        : new MysqlCaptureObserver(pool, target),
    traces: new MysqlTraceReader(pool),
    fence: new MysqlFenceObserver(pool),
    workload: new MysqlWorkload(pool),
    references: new MysqlReferenceProbe(pool),
    close: async () => {
      await checksum.close();
      await pool.close();
    },
  };
}
