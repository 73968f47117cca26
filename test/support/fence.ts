/** A fence over a test database, with the control tables it needs and the options that every test shares. */
import type { ConnectionTarget } from '../../src/model/connection-target.js';
import { SessionPool } from '../../src/engines/postgres/postgres-connection.js';
import { PostgresControl } from '../../src/engines/postgres/postgres-control.js';
import { PostgresFence } from '../../src/engines/postgres/postgres-fence.js';
import type { Checkpoint, CloseOptions, CommitPoint, HoldOptions } from '../../src/engines/engine.js';
import { ADMIN } from './global-setup.js';
import type { TestDatabase } from './postgres.js';

export const OWNER = { service: 'orders', epoch: 1 } as const;

export const CLOSE: CloseOptions = {
  applier: ADMIN.user,
  lockTimeoutMs: 5000,
  message: 'orders has moved',
  newOwner: 'service',
};

export const HOLD: HoldOptions = {
  applier: ADMIN.user,
  lockTimeoutMs: 5000,
  message: 'orders has moved',
  pauseBudgetMs: 5000,
  attempts: 8,
  sequences: [],
};

export const REVERSE: Checkpoint = {
  service: OWNER.service,
  direction: 'reverse',
  epoch: OWNER.epoch,
  applied: '0/ABCDEF0',
  received: '0/ABCDEF0',
  source: { slot: 'dbps_orders_rev' },
  updatedAt: '2026-01-01T00:00:00Z',
};

export const COMMIT: CommitPoint = {
  newOwner: 'service',
  expectedOwner: 'legacy',
  peerRevision: 0,
  reverseStart: REVERSE,
};

export interface FenceUnderTest {
  readonly fence: PostgresFence;
  readonly control: PostgresControl;
  readonly pool: SessionPool;
  close(): Promise<void>;
}

/** @param target another way to the same database (a proxy). */
export async function fenceOver(
  database: TestDatabase,
  target: ConnectionTarget = database.target,
): Promise<FenceUnderTest> {
  const pool = await SessionPool.open(database.target, { applicationName: 'dbps test' });
  const control = new PostgresControl(pool);
  await control.install(OWNER.service);
  await control.raiseEpoch(OWNER);
  const fence = new PostgresFence(pool, { target, applicationName: 'dbps fence' });
  return { fence, control, pool, close: () => pool.close() };
}
