/** A thread with some clients and one router: what an application process would be. */
import { parentPort, workerData } from 'node:worker_threads';
import { createRouter } from '../router/index.js';
import type { ClientLedger } from './ledger.js';
import { ShopClient } from './shop-client.js';
import { SHOP_SERVICE_NAMES, type ShopService } from './shop-schema.js';

export interface TrafficWorkerData {
  readonly legacyUrl: string;
  readonly serviceUrls: Readonly<Record<ShopService, string>>;
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
const database = (connection: string) => ({
  client: 'pg',
  connection,
  pool: { min: 0, max: data.prefixes.length + 2 },
});

const router = await createRouter<ShopService>({
  legacy: database(data.legacyUrl),
  services: Object.fromEntries(
    SHOP_SERVICE_NAMES.map((service) => [service, database(data.serviceUrls[service])]),
  ) as Record<ShopService, ReturnType<typeof database>>,
});
const clients = data.prefixes.map(
  (prefix, n) =>
    new ShopClient({
      router,
      prefix,
      products: data.products,
      thinkMs: data.thinkMs,
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
