/** The shop's traffic: several clients on several threads, from before the first command until after the last. */
import { Worker } from 'node:worker_threads';
import type { ClientLedger } from './ledger.js';
import type { TrafficMessage, TrafficWorkerData } from './traffic-worker.js';

export interface TrafficOptions extends Omit<TrafficWorkerData, 'prefixes'> {
  readonly threads: number;
  readonly clientsPerThread: number;
}

export class Traffic {
  readonly #workers: { readonly worker: Worker; acknowledged: number; failures: readonly string[] }[] = [];
  readonly #ledgers: Promise<readonly ClientLedger[]>[] = [];

  static async start(options: TrafficOptions): Promise<Traffic> {
    const traffic = new Traffic();
    const { threads, clientsPerThread, ...data } = options;
    await Promise.all(
      Array.from({ length: threads }, (_, thread) =>
        traffic.#add({
          ...data,
          prefixes: Array.from({ length: clientsPerThread }, (_, n) => `c${thread * clientsPerThread + n}-`),
        }),
      ),
    );
    return traffic;
  }

  /** Acknowledged writes so far, up to half a second old. */
  get acknowledged(): number {
    return this.#workers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  get failures(): readonly string[] {
    return this.#workers.flatMap(({ failures }) => failures);
  }

  /** Lets each client end its operation, and returns all ledgers. */
  async stop(): Promise<readonly ClientLedger[]> {
    for (const { worker } of this.#workers) worker.postMessage('stop');
    return (await Promise.all(this.#ledgers)).flat();
  }

  /** At once, whatever is under way. */
  async kill(): Promise<void> {
    await Promise.all(this.#workers.map(({ worker }) => worker.terminate()));
  }

  #add(workerData: TrafficWorkerData): Promise<void> {
    const worker = new Worker(new URL('./traffic-worker.js', import.meta.url), { workerData });
    const entry = { worker, acknowledged: 0, failures: [] as readonly string[] };
    this.#workers.push(entry);
    return new Promise((ready, failed) => {
      const ledgers = new Promise<readonly ClientLedger[]>((resolve, reject) => {
        worker.on('message', (message: TrafficMessage) => {
          if (message.type === 'ready') ready();
          else if (message.type === 'progress') {
            entry.acknowledged = message.acknowledged;
            entry.failures = message.failures;
          } else {
            entry.failures = message.ledgers.flatMap((ledger) => ledger.failures);
            resolve(message.ledgers);
          }
        });
        const fail = (error: Error) => {
          entry.failures = [...entry.failures, error.message];
          failed(error);
          reject(error);
        };
        worker.on('error', fail);
        worker.on('exit', (code) => fail(new Error(`a traffic thread ended (${code})`)));
      });
      // Waited for in stop(); until then a failure is in `failures`.
      ledgers.catch(() => undefined);
      this.#ledgers.push(ledgers);
    });
  }
}
