/** What a runner needs, without a configuration file and without a test framework: child processes use it too. */
import type { CaptureMethod } from '../../src/engines/engine.js';
import { loadEngine } from '../../src/engines/registry.js';
import { CATALOGUE } from '../../src/migration/catalogue.js';
import type { MoveSettings } from '../../src/migration/move-context.js';
import type { DatabaseOpener, MoveEnvironment } from '../../src/migration/move-environment.js';
import { Replicator } from '../../src/migration/replicator.js';
import type { ConnectionTarget } from '../../src/model/connection-target.js';
import type { Plan } from '../../src/model/plan.js';
import { relationMaps } from '../../src/planning/relation-maps.js';
import type { StateStore } from '../../src/state/state-store.js';

export const TEST_SETTINGS: MoveSettings = {
  chunkRows: 500,
  jobs: 2,
  walBudgetBytes: 1_000_000_000,
  throttleMaxLagMs: 5_000,
  readCutover: { verify: 'full', maxLagMs: 2_000 },
  writeCutover: { verify: 'changed', maxLagMs: 1_000, fenceTimeoutMs: 20_000 },
  decommission: { verify: 'full', soakMs: 0, graceMs: 200 },
  archive: { attested: 'test' },
};

/** What the use cases make from dbps.yaml, without one. */
export function moveEnvironment(given: {
  legacy: ConnectionTarget;
  service: ConnectionTarget;
  plan: Plan;
  store: StateStore;
  capture?: CaptureMethod;
}): MoveEnvironment {
  return {
    plan: given.plan,
    store: given.store,
    legacy: opener(given.legacy, given.capture),
    target: () => opener(given.service, given.capture),
    maps: (service) => relationMaps(given.plan, service),
    replan: async () => Promise.reject(new Error('this test plans no second time')),
    catalogue: CATALOGUE,
    createReplicator: (context, direction) => new Replicator(context, direction),
    settings: TEST_SETTINGS,
    routeHook: null,
    holder: `test-${process.pid}`,
    host: 'localhost',
    leaseMs: 10_000,
    pollMs: 100,
    settleMs: 20_000,
    emit: () => undefined,
    now: () => Date.now(),
    at: async () => undefined,
  };
}

function opener(target: ConnectionTarget, capture: CaptureMethod = 'log'): DatabaseOpener {
  const options = { applicationName: 'dbps test', capture };
  return {
    exists: async () => (await loadEngine(target.engine)).databaseExists(target, options),
    createIfMissing: async (like) =>
      (await loadEngine(target.engine)).createDatabaseIfMissing(target, options, like),
    open: async () => (await loadEngine(target.engine)).open(target, options),
    openReadOnly: async () => (await loadEngine(target.engine)).openReadOnly(target, options),
  };
}
