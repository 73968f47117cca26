/**
 * A runner of what a shop moves in a process of its own, to be killed: `node --import tsx mover.ts <setup as JSON>`. Says what it did in one
 * JSON line.
 */
import { ConnectionTarget } from '../../../src/model/connection-target.js';
import type { Plan } from '../../../src/model/plan.js';
import type { MoveSettings } from '../../../src/migration/move-context.js';
import type { Wish } from '../../../src/migration/requests.js';
import { runServices } from '../../../src/migration/runner.js';
import { ServiceRunner } from '../../../src/migration/service-runner.js';
import { openStateStore } from '../../../src/state/knex-state-store.js';
import { controlPoint, killAtNew } from '../control-points.js';
import { moveEnvironment, TEST_SETTINGS } from '../move-environment.js';

export interface MoverSetup {
  readonly legacy: string;
  readonly service: string;
  /** Name of the service that is moved. */
  readonly moves: string;
  readonly plan: Plan;
  /** null: the long-lived runner, until a signal. */
  readonly wish: Wish | null;
  readonly point?: string;
  /** Dies at the first instant that is not one of these. */
  readonly seen?: readonly string[];
  /** Only at every n-th of them. */
  readonly every?: number;
  readonly settings?: Partial<MoveSettings>;
  readonly leaseMs: number;
}

function targetOf(text: string): ConnectionTarget {
  const url = new URL(text);
  return new ConnectionTarget({
    engine: url.protocol === 'mysql:' ? 'mysql' : 'postgres',
    host: url.hostname,
    port: Number(url.port),
    user: url.username,
    database: url.pathname.slice(1),
    password: async () => decodeURIComponent(url.password),
    tls: false,
    parameters: {},
  });
}

const setup = JSON.parse(process.argv[2] ?? '') as MoverSetup;
const [legacy, service] = [targetOf(setup.legacy), targetOf(setup.service)];
const store = openStateStore(legacy, { applicationName: 'dbps state' });
const environment = {
  ...moveEnvironment({ legacy, service, plan: setup.plan, store }),
  leaseMs: setup.leaseMs,
  settings: { ...TEST_SETTINGS, ...setup.settings },
  at: setup.seen === undefined ? controlPoint(setup.point) : killAtNew(setup.seen, setup.every),
};
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
try {
  if (setup.wish === null) {
    await runServices({
      store,
      environmentFor: async () => environment,
      emit: () => undefined,
      signal: stop.signal,
      pollMs: 100,
    });
    process.stdout.write(`${JSON.stringify({ ok: true })}\n`);
  } else {
    const runner = await ServiceRunner.open(environment, setup.moves, {
      waitMs: 20_000,
      signal: stop.signal,
    });
    const transitions = await runner.perform(setup.wish).finally(() => runner.close());
    // Its last word: until it is closed its streams may still come to an instant at which it dies.
    process.stdout.write(`${JSON.stringify({ ok: true, steps: transitions.flatMap((t) => t.steps) })}\n`);
  }
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  process.stdout.write(`${JSON.stringify({ ok: false, code, message })}\n`);
  process.exitCode = 1;
} finally {
  await store.close();
}
