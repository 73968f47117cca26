/**
 * A knex whose statements go to whoever owns the service when they run. It is a clone of the legacy knex with another runner: a built query
 * is compiled and run by the owner's own client, so either engine may stand behind it, and the same query can be run again elsewhere.
 */
import type { Knex } from 'knex';
import { UsageError } from '../model/errors.js';
import { assessStatement, assessUnsent, type Attempt } from './ride-through.js';
import type { TransactionWork } from './routed-transaction.js';

export interface Rider {
  readonly service: string;
  /** The owner as known now, without retries: streams and hand-made transactions. */
  owner(): Knex;
  ride<T>(attempt: (database: Knex) => Promise<Attempt<T>>): Promise<T>;
  transaction<T>(work: TransactionWork<T>, config?: Knex.TransactionConfig): Promise<T>;
  /** A write was acknowledged, or may have been. */
  wrote(): void;
}

/** The part of knex's builder and runner that is used here; knex types it as any. */
interface Builder {
  client: Knex.Client;
  _method?: string;
  _connection?: unknown;
  /** Set on a schema builder: several statements, each committed by itself. */
  _sequence?: unknown;
}

interface Runner {
  connection: unknown;
  run(): Promise<unknown>;
  stream(...args: unknown[]): unknown;
  pipe(...args: unknown[]): unknown;
}

interface RunnerClient {
  runner(builder: Builder): Runner;
  transaction(...args: unknown[]): unknown;
  acquireConnection(): Promise<unknown>;
  releaseConnection(connection: unknown): Promise<void>;
}

const READS = new Set(['select', 'first', 'pluck']);
const clientOf = (database: Knex): RunnerClient => database.client as RunnerClient;

export function makeRoutedKnex(legacy: Knex, rider: Rider): Knex {
  // The only public way to a second knex over the same client class; its pool is never used.
  const routed = legacy.withUserParams({});
  const client = clientOf(routed);
  route(client, rider);
  const transaction = transactionOf(rider);
  // What knex itself starts transactions with: batchInsert, transactionProvider.
  const { context } = routed as unknown as { context: Record<string, unknown> };
  context['transaction'] = transaction;
  Object.defineProperties(routed, {
    transaction: { value: transaction, configurable: true },
    destroy: {
      value: () =>
        Promise.reject(
          new UsageError({
            code: 'DBPS_E121',
            message: `the knex of ${rider.service} belongs to the router`,
            hint: 'await router.close()',
          }),
        ),
      configurable: true,
    },
  });
  return routed;
}

/** The same for one session. Made for each request, so it must cost nothing: what it builds is handed to a client of its own, no more. */
export function withRider(routed: Knex, rider: Rider): Knex {
  const home = clientOf(routed);
  const client = Object.create(home) as RunnerClient;
  route(client, rider);
  const transaction = transactionOf(rider);
  const own = <T>(built: T): T => {
    const builder = built as { client?: unknown } | null;
    if (typeof builder === 'object' && builder !== null && builder.client === home) builder.client = client;
    return built;
  };
  return new Proxy(routed, {
    apply: (target, self, args) => own(Reflect.apply(target as (...a: unknown[]) => unknown, self, args)),
    get: (target, name) => {
      if (name === 'transaction') return transaction;
      // Starts its transaction inside knex, where the session is not known.
      if (name === 'batchInsert') rider.wrote();
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return own(value);
      return (...args: unknown[]) => own(Reflect.apply(value as (...a: unknown[]) => unknown, target, args));
    },
  });
}

function route(client: RunnerClient, rider: Rider): void {
  client.runner = (builder) => new RoutedRunner(builder, client, rider) as unknown as Runner;
  client.transaction = (...args) => clientOf(rider.owner()).transaction(...args);
}

function transactionOf(rider: Rider) {
  return (first?: TransactionWork<unknown> | Knex.TransactionConfig, second?: Knex.TransactionConfig) =>
    typeof first === 'function'
      ? rider.transaction(first, second)
      : rider.owner().transaction(first ?? second);
}

class RoutedRunner {
  constructor(
    private readonly builder: Builder,
    private readonly home: RunnerClient,
    private readonly rider: Rider,
  ) {}

  run(): Promise<unknown> {
    const { builder, rider } = this;
    const isRead = builder._method !== undefined && READS.has(builder._method);
    return rider.ride(async (database): Promise<Attempt<unknown>> => {
      const client = clientOf(database);
      if (builder._connection !== undefined) return runOn(client, builder, this.home);
      let connection: unknown;
      try {
        connection = await client.acquireConnection();
      } catch (error) {
        return assessUnsent(error);
      }
      try {
        const result = await runOn(client, builder, this.home, connection);
        if (!isRead) rider.wrote();
        return result;
      } catch (error) {
        // Of several statements the first may have taken effect.
        if (builder._sequence !== undefined) return { outcome: 'failed', error };
        const assessed = assessStatement(error, isRead, rider.service);
        if (!isRead && assessed.outcome === 'failed') rider.wrote();
        return assessed;
      } finally {
        await client.releaseConnection(connection);
      }
    });
  }

  /** A stream has handed out rows before it fails: it is not started again. */
  stream(...args: unknown[]): unknown {
    return this.delegate((runner) => runner.stream(...args));
  }

  pipe(...args: unknown[]): unknown {
    return this.delegate((runner) => runner.pipe(...args));
  }

  private delegate(use: (runner: Runner) => unknown): unknown {
    const client = clientOf(this.rider.owner());
    this.builder.client = client as unknown as Knex.Client;
    return use(client.runner(this.builder));
  }
}

async function runOn(
  client: RunnerClient,
  builder: Builder,
  home: RunnerClient,
  connection?: unknown,
): Promise<Attempt<unknown>> {
  builder.client = client as unknown as Knex.Client;
  try {
    const runner = client.runner(builder);
    runner.connection = connection;
    return { outcome: 'done', value: await runner.run() };
  } finally {
    builder.client = home as unknown as Knex.Client;
  }
}
