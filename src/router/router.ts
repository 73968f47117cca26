import knexFactory, { type Knex } from 'knex';
import { DatabaseError, UsageError } from '../model/errors.js';
import type { Route } from '../state/route.js';
import { chooseReadSide, type ReadQuestion } from './read-choice.js';
import { RecentWriters } from './recent-writers.js';
import { rideThrough, type RideOptions } from './ride-through.js';
import { makeRoutedKnex, withRider, type Rider } from './routed-knex.js';
import { attemptTransaction, type TransactionWork } from './routed-transaction.js';
import { RouteWatch, type RouteChangeEvent, type RouteSource } from './route-watch.js';

export interface RouterOptions<Service extends string> {
  /** The shared database: a knex, or the configuration of one that the router makes and destroys. */
  readonly legacy: Knex | Knex.Config;
  /** Each service's own database, under the service's name in dbps.yaml. */
  readonly services: Readonly<Record<Service, Knex | Knex.Config>>;
  /**
   * Services that are decommissioned: dbps has left, no database has a route of theirs, and everything goes to their own database. A router
   * that runs on through the decommission knows by itself; one that starts after it has to be told.
   */
  readonly settled?: readonly NoInfer<Service>[];
  /** How often the routes are read, milliseconds. Default 1 000. A refused write and a notification read them at once. */
  readonly pollMs?: number;
  /** Longest wait for a database that accepts a write, milliseconds. Default 30 000. */
  readonly waitMs?: number;
  /**
   * After a write with a `key`, reads with that key stay with the owner this long, milliseconds. Default 10 000: above the lag at which
   * dbps lets reads move (gates.readCutover.maxLag) and throttles a copy (throttle.maxLag). Kept in this process.
   */
  readonly readYourWritesMs?: number;
  /**
   * Also LISTEN for changes of the route on the connection that reads it. Default true where the driver is pg. Harmless, but
   * useless, through a transaction pooler.
   */
  readonly listen?: boolean;
  /** A database whose route could not be read; the last answer stands. Default: nothing. */
  readonly onError?: (error: unknown, database: string) => void;
  /** For reads without a key. Default Math.random. */
  readonly random?: () => number;
  /** Milliseconds. Default Date.now. */
  readonly now?: () => number;
}

export interface WriteOptions {
  /** The session, user or tenant that writes: its own reads follow it to the owner for a while. */
  readonly key?: string;
}

export type TransactionOptions = WriteOptions & Pick<Knex.TransactionConfig, 'isolationLevel' | 'readOnly'>;

export interface Router<Service extends string = string> {
  /**
   * The knex to read a service's relations from, now: follows the share of reads that dbps has published, by a stable hash of `key`, relations
   * named in the route first. Ask again for each query; do not keep it.
   *
   * @example
   * const order = await router.reads('orders', { relation: 'orders', key: userId })('orders').where({ id }).first();
   */
  reads(service: Service, question?: ReadQuestion): Knex;
  /**
   * A knex whose every statement goes to whoever owns the service when it runs, and rides through a cutover: refused by the old owner, it waits
   * for the new one. May be kept. Its `transaction(callback)` is the router's.
   *
   * @throws DatabaseError DBPS_E420 when the connection was lost before the answer came: the write may or may not have been made.
   * @throws InterruptedError DBPS_E520 when nobody accepted the write within `waitMs`.
   * @example
   * await router.writes('orders', { key: userId })('orders').where({ id }).update({ status: 'paid' });
   */
  writes(service: Service, options?: WriteOptions): Knex;
  /**
   * Runs `work` in one transaction at the owner. When the owner changes under it, or its connection is lost before COMMIT, the whole callback is run
   * again at the new owner: keep everything but database work out of it.
   *
   * @throws DatabaseError DBPS_E420 when COMMIT was sent and no answer came: it is never repeated.
   * @throws InterruptedError DBPS_E520 when nobody accepted the transaction within `waitMs`.
   * @example
   * const id = await router.transaction('orders', async (trx) => {
   *   const [order] = await trx('orders').insert({ user_id: userId }).returning('id');
   *   await trx('order_items').insert(items.map((item) => ({ ...item, order_id: order.id })));
   *   return order.id;
   * });
   */
  transaction<T>(service: Service, work: TransactionWork<T>, options?: TransactionOptions): Promise<T>;
  /**
   * The same three for one session, with its key filled in.
   *
   * @example
   * const session = router.session(request.userId);
   * await session.writes('users')('users').where({ id: request.userId }).update({ name });
   * await session.reads('users')('users').where({ id: request.userId }).first(); // sees the new name
   */
  session(key: string): RouterSession<Service>;
  /** The route as last read; null while the service has not begun to move. */
  route(service: Service): Route | null;
  /** Reads the service's route now. */
  refresh(service: Service): Promise<Route | null>;
  /**
   * Calls back on every change of a route (read share, cutover, rollback). @returns what takes the listener away again.
   *
   * @example
   * router.onRouteChange(({ service, to }) => log.info({ service, owner: to?.owner, readShare: to?.readShare }));
   */
  onRouteChange(listener: (change: RouteChangeEvent) => void): () => void;
  /** Stops reading routes, and destroys every knex that the router made itself. */
  close(): Promise<void>;
}

export interface RouterSession<Service extends string = string> {
  reads(service: Service, question?: Omit<ReadQuestion, 'key'>): Knex;
  writes(service: Service): Knex;
  transaction<T>(
    service: Service,
    work: TransactionWork<T>,
    options?: Omit<TransactionOptions, 'key'>,
  ): Promise<T>;
}

const LEGACY = 'legacy';

/**
 * What an application imports to follow its services out of the shared database: reads follow the share that dbps publishes, writes follow
 * the owner, and a cutover or rollback is a short wait.
 *
 * @throws DatabaseError DBPS_E422 when no database can say where a service's traffic goes.
 * @example
 * import knex from 'knex';
 * import { createRouter } from 'dbps/router';
 *
 * const router = await createRouter({
 *   legacy: { client: 'pg', connection: process.env.SHARED_DATABASE_URL },
 *   services: {
 *     orders: { client: 'pg', connection: process.env.ORDERS_DATABASE_URL },
 *     users: { client: 'pg', connection: process.env.USERS_DATABASE_URL },
 *   },
 * });
 */
export async function createRouter<Service extends string>(
  options: RouterOptions<Service>,
): Promise<Router<Service>> {
  const router = new KnexRouter<Service>(options);
  try {
    await router.start();
  } catch (error) {
    await router.close();
    throw error;
  }
  return router;
}

class KnexRouter<Service extends string> implements Router<Service> {
  readonly #legacy: Knex;
  readonly #databases = new Map<string, Knex>();
  readonly #own: Knex[] = [];
  readonly #watch: RouteWatch;
  readonly #recent: RecentWriters;
  readonly #listeners = new Set<(change: RouteChangeEvent) => void>();
  readonly #writers = new Map<string, Knex>();
  readonly #options: RouterOptions<Service>;
  readonly #now: () => number;
  readonly #random: () => number;

  constructor(options: RouterOptions<Service>) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#recent = new RecentWriters(options.readYourWritesMs ?? 10_000, this.#now);

    const services = Object.keys(options.services) as Service[];
    const sources = new Map<string, RouteSource>();
    const addSource = (name: string, database: Knex, holds: readonly string[]) => {
      const control = this.#made(
        knexFactory(controlConfig(database, options.listen ?? true, () => this.#reread())),
      );
      sources.set(name, { control, services: holds });
    };
    this.#legacy = this.#take(options.legacy);
    addSource(LEGACY, this.#legacy, services);
    for (const service of services) {
      const database = this.#take(options.services[service]);
      this.#databases.set(service, database);
      addSource(`service ${service}`, database, [service]);
    }
    this.#watch = new RouteWatch({
      sources,
      services,
      pollMs: options.pollMs ?? 1000,
      onChange: (change) => {
        for (const listener of this.#listeners) listener(change);
      },
      onError: options.onError ?? (() => undefined),
    });
  }

  async start(): Promise<void> {
    await this.#watch.start();
    for (const service of this.#databases.keys()) {
      if (this.#watch.isKnown(service) || this.#isSettled(service)) continue;
      throw new DatabaseError({
        code: 'DBPS_E422',
        message: `neither the shared database nor the one of ${service} could be asked where ${service} lives`,
        hint: 'check the connections, and that the application may read dbps.route',
        cause: this.#watch.lastError(),
      });
    }
  }

  reads(service: Service, question: ReadQuestion = {}): Knex {
    const own = this.#databaseOf(service);
    const route = this.#watch.current(service);
    if (question.key !== undefined && this.#recent.has(service, question.key)) {
      return this.#ownerOf(service, route);
    }
    if (route === null && this.#isSettled(service)) return own;
    return chooseReadSide(route, question, this.#random) === 'service' ? own : this.#legacy;
  }

  writes(service: Service, { key }: WriteOptions = {}): Knex {
    this.#databaseOf(service);
    let writer = this.#writers.get(service);
    if (writer === undefined) {
      writer = makeRoutedKnex(this.#legacy, this.#rider(service, undefined));
      this.#writers.set(service, writer);
    }
    return key === undefined ? writer : withRider(writer, this.#rider(service, key));
  }

  async transaction<T>(
    service: Service,
    work: TransactionWork<T>,
    { key, ...config }: TransactionOptions = {},
  ): Promise<T> {
    this.#databaseOf(service);
    return this.#rider(service, key).transaction(work, config);
  }

  session(key: string): RouterSession<Service> {
    return {
      reads: (service, question) => this.reads(service, { ...question, key }),
      writes: (service) => this.writes(service, { key }),
      transaction: (service, work, options) => this.transaction(service, work, { ...options, key }),
    };
  }

  route(service: Service): Route | null {
    this.#databaseOf(service);
    return this.#watch.current(service);
  }

  async refresh(service: Service): Promise<Route | null> {
    this.#databaseOf(service);
    await this.#watch.refresh(service);
    return this.#watch.current(service);
  }

  onRouteChange(listener: (change: RouteChangeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.#watch.close();
    await Promise.all(this.#own.map((database) => database.destroy()));
  }

  #rider(service: string, key: string | undefined): Rider {
    const ride: RideOptions = {
      service,
      route: () => this.#watch.current(service),
      database: (route) => this.#ownerOf(service, route),
      refresh: () => this.#watch.refresh(service),
      waitMs: this.#options.waitMs ?? 30_000,
      now: this.#now,
    };
    const wrote = () => {
      if (key !== undefined) this.#recent.note(service, key);
    };
    return {
      service,
      owner: () => this.#ownerOf(service, this.#watch.current(service)),
      ride: (attempt) => rideThrough(ride, attempt),
      transaction: async (work, config) => {
        try {
          return await rideThrough(ride, (database) => attemptTransaction(database, service, work, config));
        } finally {
          // Also when it failed: a COMMIT without an answer may have taken effect.
          if (config?.readOnly !== true) wrote();
        }
      },
      wrote,
    };
  }

  #ownerOf(service: string, route: Route | null): Knex {
    const isMoved = route === null ? this.#isSettled(service) : route.owner === 'service';
    return isMoved ? this.#databaseOf(service) : this.#legacy;
  }

  #isSettled(service: string): boolean {
    return (this.#options.settled as readonly string[] | undefined)?.includes(service) === true;
  }

  #databaseOf(service: string): Knex {
    const database = this.#databases.get(service);
    if (database !== undefined) return database;
    throw new UsageError({
      code: 'DBPS_E120',
      message: `the router knows no service "${service}"`,
      hint: `it was made for: ${[...this.#databases.keys()].join(', ')}`,
    });
  }

  #take(given: Knex | Knex.Config): Knex {
    return typeof given === 'function' ? given : this.#made(knexFactory(given));
  }

  #made(database: Knex): Knex {
    this.#own.push(database);
    return database;
  }

  /** The server said that some route changed. */
  #reread(): void {
    for (const service of this.#databases.keys()) void this.#watch.refresh(service).catch(() => undefined);
  }
}

/** What dbps notifies on when a route changes. */
const CHANNEL = 'dbps_route';

const ignore = (): void => undefined;

/** The same database over one connection of its own, which also listens. */
function controlConfig(database: Knex, listen: boolean, onNotify: () => void): Knex.Config {
  const client = database.client as { readonly config: Knex.Config; readonly driverName?: string };
  const canListen = listen && client.driverName === 'pg';
  return {
    ...client.config,
    acquireConnectionTimeout: 5000,
    // knex would print lost connections; they go to onError.
    log: { warn: ignore, error: ignore, debug: ignore, deprecate: ignore },
    pool: {
      min: 0,
      max: 1,
      ...(canListen && {
        afterCreate: (
          connection: {
            on(event: 'notification', listener: () => void): void;
            query(sql: string, done: (error: Error | null) => void): void;
          },
          done: (error: Error | null, connection: unknown) => void,
        ) => {
          connection.on('notification', onNotify);
          connection.query(`LISTEN ${CHANNEL}`, (error) => done(error, connection));
        },
      }),
    },
  };
}
