/**
 * A runner of `orders` in a process of its own, killed at a named instant as the kernel kills: no handler runs, no connection is closed in
 * order. `node --import tsx move.ts '{"legacy":URL,"service":URL,"plan":HASH,"to":PHASE,"kill":POINT}'`; exits 0 when it got there, 1 with
 * the error on stderr.
 */
import { ServiceRunner } from '../../../src/migration/service-runner.js';
import { ConnectionTarget } from '../../../src/model/connection-target.js';
import { PHASES, type Phase } from '../../../src/model/phases.js';
import type { Plan } from '../../../src/model/plan.js';
import { openStateStore } from '../../../src/state/knex-state-store.js';
import { moveEnvironment } from '../move-environment.js';

interface Request {
  readonly legacy: string;
  readonly service: string;
  readonly plan: string;
  readonly to: Phase;
  readonly kill?: string;
}

function targetOf(url: string): ConnectionTarget {
  const { hostname, port, username, password, pathname } = new URL(url);
  return new ConnectionTarget({
    engine: 'postgres',
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
    password: async () => decodeURIComponent(password),
    tls: false,
    parameters: {},
  });
}

const request = JSON.parse(process.argv[2] ?? '{}') as Request;
const legacy = targetOf(request.legacy);
const store = openStateStore(legacy, { applicationName: 'dbps test state' });
const accepted = await store.acceptedPlan(request.plan);
if (accepted === null) throw new Error('no such plan');
const environment = moveEnvironment({
  legacy,
  service: targetOf(request.service),
  plan: JSON.parse(accepted.text) as Plan,
  store,
});
const runner = await ServiceRunner.open(
  {
    ...environment,
    leaseMs: 1_500,
    at: async (point) => {
      if (point !== request.kill) return;
      process.kill(process.pid, 'SIGKILL');
      await new Promise(() => undefined);
    },
  },
  'orders',
  { waitMs: 30_000, signal: new AbortController().signal },
);
try {
  await runner.rest();
  const { phase, target } = await runner.state();
  const isBack = PHASES.indexOf(request.to) < PHASES.indexOf(phase);
  if (isBack) await runner.rollback(request.to, {});
  else if (phase !== request.to || target !== null) await runner.advance(request.to, {});
} catch (error) {
  process.stderr.write(`${(error as Error).stack ?? String(error)}\n`);
  process.exitCode = 1;
} finally {
  await runner.close();
  await store.close();
}
