/** A thread with some clients and one router: what an application process would be. */
import { parentPort, workerData } from 'node:worker_threads';
import { createRouter } from '../router/index.js';
import type { ClientLedger } from './ledger.js';
import { ShopClient } from './shop-client.js';
import type { ShopEngine } from './shop-engines.js';
import { SHOP_SERVICE_NAMES, type ShopService } from './shop-schema.js';

export interface TrafficDatabase {
  readonly engine: ShopEngine;
  readonly url: string;
}

export interface TrafficWorkerData {
  readonly shared: TrafficDatabase;
  readonly services: Readonly<Record<ShopService, TrafficDatabase>>;
  /** One client each. */
  readonly prefixes: readonly string[];
  readonly products: number;
  readonly thinkMs: number;
}

export type TrafficMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly acknowledged: number; readonly failures: readonly string[] }
  | { readonly type: 'ledgers'; readonly ledgers: readonly ClientLedger[] };

if (parentPort === null) throw new Error('traffic-worker runs as a worker thread');
const port = parentPort;
const data = workerData as TrafficWorkerData;
const say = (message: TrafficMessage): void => port.postMessage(message);
const database = ({ engine, url }: TrafficDatabase) => ({
  client: engine === 'mysql' ? 'mysql2' : 'pg',
  connection: url,
  pool: { min: 0, max: data.prefixes.length + 2 },
  // A client says `returning`, whichever engine answers; on MySQL knex says that it does without.
  log: { warn: () => undefined },
});

const router = await createRouter<ShopService>({
  legacy: database(data.shared),
  services: Object.fromEntries(
    SHOP_SERVICE_NAMES.map((service) => [service, database(data.services[service])]),
  ) as Record<ShopService, ReturnType<typeof database>>,
});
const clients = data.prefixes.map(
  (prefix, n) =>
    new ShopClient({
      router,
      prefix,
      products: data.products,
      thinkMs: data.thinkMs,
      usersEngine: data.shared.engine,
      seed: Number(/\d+/.exec(prefix)?.[0] ?? n),
    }),
);
const stop = new AbortController();
port.on('message', () => stop.abort());
const progress = setInterval(() => {
  say({
    type: 'progress',
    acknowledged: clients.reduce((sum, client) => sum + client.ledger.acknowledged, 0),
    failures: clients.flatMap((client) => client.ledger.failures),
  });
}, 500);
say({ type: 'ready' });
await Promise.all(clients.map((client) => client.run(stop.signal)));
clearInterval(progress);
await router.close();
say({ type: 'ledgers', ledgers: clients.map((client) => client.ledger) });
port.close();
