/**
 * Keeps the routes of all services current. A route is written in legacy and, from the cutover on, in the service database too, so that
 * it outlives legacy: both are read, each over one connection of its own (the application's pool may be full of writers that wait for a
 * cutover), and the highest epoch and revision wins. Read every `pollMs`, at once when the server notifies, and at once when a
 * fence has refused a write.
 */
import type { Knex } from 'knex';
import { toRoute, type Route } from '../state/route.js';
import { isRouteDenied, isRouteTableMissing } from './driver-errors.js';

export interface RouteChangeEvent {
  readonly service: string;
  readonly from: Route | null;
  readonly to: Route | null;
}

export interface RouteWatchOptions {
  readonly sources: ReadonlyMap<string, RouteSource>;
  readonly services: readonly string[];
  readonly pollMs: number;
  readonly onChange: (change: RouteChangeEvent) => void;
  /** A database that could not be asked: the last answer stands. */
  readonly onError: (error: unknown, source: string) => void;
}

export interface RouteSource {
  /** One connection, used for routes alone. */
  readonly control: Knex;
  /** Services whose routes can be here. */
  readonly services: readonly string[];
}

/** How long a refresh waits for a database that does not answer while another has. */
const SLOW_SOURCE_MS = 500;

type Answer = ReadonlyMap<string, Route>;

export class RouteWatch {
  readonly #options: RouteWatchOptions;
  readonly #answers = new Map<string, Answer>();
  readonly #errors = new Map<string, unknown>();
  readonly #denied = new Set<string>();
  readonly #routes = new Map<string, Route | null>();
  readonly #reading = new Map<string, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RouteWatchOptions) {
    this.#options = options;
    for (const service of options.services) this.#routes.set(service, null);
  }

  current(service: string): Route | null {
    return this.#routes.get(service) ?? null;
  }

  /** True when some database that may hold the service's route has answered at least once. */
  isKnown(service: string): boolean {
    return [...this.#options.sources].some(
      ([name, source]) => source.services.includes(service) && this.#answers.has(name),
    );
  }

  lastError(): unknown {
    return [...this.#errors.values()][0];
  }

  /** First read of everything, then polling. */
  async start(): Promise<void> {
    await Promise.all([...this.#options.sources.keys()].map((name) => this.#read(name)));
    this.#schedule();
  }

  /** Asks the databases that may hold this service's route, now. A read that began earlier does not count. */
  async refresh(service: string): Promise<void> {
    const names = [...this.#options.sources]
      .filter(([, source]) => source.services.includes(service))
      .map(([name]) => name);
    let timer: NodeJS.Timeout | undefined;
    const slow = new Promise<void>((resolve) => (timer = setTimeout(resolve, SLOW_SOURCE_MS)));
    await Promise.race([
      Promise.all(
        names.map(async (name) => {
          await this.#reading.get(name);
          await this.#read(name);
        }),
      ),
      slow,
    ]);
    clearTimeout(timer);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await Promise.allSettled(this.#reading.values());
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      void Promise.all([...this.#options.sources.keys()].map((name) => this.#read(name))).finally(() =>
        this.#schedule(),
      );
    }, this.#options.pollMs);
    this.#timer.unref();
  }

  /** One read of a database at a time, so that answers arrive in order; callers share it. */
  #read(name: string): Promise<void> {
    const underWay = this.#reading.get(name);
    if (underWay !== undefined) return underWay;
    const reading = this.#ask(name).finally(() => this.#reading.delete(name));
    this.#reading.set(name, reading);
    return reading;
  }

  async #ask(name: string): Promise<void> {
    const source = this.#options.sources.get(name);
    if (source === undefined || this.#isClosed) return;
    try {
      const rows = await source.control
        .withSchema('dbps')
        .table('route')
        .whereIn('service', [...source.services])
        .select()
        .catch((error: unknown) => {
          if (!isRouteTableMissing(error)) throw error;
          if (isRouteDenied(error)) this.#noteDenial(name, error);
          return [];
        });
      const routes = (rows as Parameters<typeof toRoute>[0][]).map(toRoute);
      this.#answers.set(name, new Map(routes.map((route) => [route.service, route])));
      this.#errors.delete(name);
      this.#settle();
    } catch (error) {
      this.#errors.set(name, error);
      if (!this.#isClosed) this.#options.onError(error, name);
    }
  }

  /** The owner's fence still refuses what would go astray; told once, since before dbps has begun it is as it should be. */
  #noteDenial(name: string, error: unknown): void {
    if (this.#denied.has(name)) return;
    this.#denied.add(name);
    this.#options.onError(error, name);
  }

  #settle(): void {
    for (const [service, from] of this.#routes) {
      const candidates = [...this.#answers.values()].flatMap((answer) => answer.get(service) ?? []);
      const to = latestRoute(candidates, from);
      if (to === from || (to !== null && from !== null && isSame(to, from))) continue;
      this.#routes.set(service, to);
      this.#options.onChange({ service, from, to });
    }
  }
}

/**
 * The highest epoch, then the highest revision. When no database has a row any more: a service that had taken over keeps its writes
 * (dbps has cleaned up after a decommission), any other goes back to the beginning (its move was taken back).
 */
export function latestRoute(candidates: readonly Route[], last: Route | null): Route | null {
  let latest: Route | null = null;
  for (const route of candidates) {
    if (
      latest === null ||
      route.epoch > latest.epoch ||
      (route.epoch === latest.epoch && route.revision > latest.revision)
    )
      latest = route;
  }
  if (latest === null && last?.owner === 'service') return last;
  return latest;
}

function isSame(a: Route, b: Route): boolean {
  return a.epoch === b.epoch && a.revision === b.revision && a.owner === b.owner;
}
