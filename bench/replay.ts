/** dbps as benchmarks run it: a capture that is begun before the changes, and a replicator that brings them over. */
import type { Database, RelationMap } from '../src/engines/engine.js';
import type { MoveContext } from '../src/migration/move-context.js';
import { Replicator } from '../src/migration/replicator.js';

export interface ReplayFigures {
  readonly mostRssMb: number;
  readonly ownCpuSeconds: number;
}

export class Replay {
  readonly #owner: { readonly service: string; readonly epoch: number };
  readonly #context: MoveContext;
  #markers = 0;
  #isPrepared = false;

  constructor(
    readonly legacy: Database,
    readonly service: Database,
    readonly maps: readonly RelationMap[],
    name: string,
  ) {
    this.#owner = { service: name, epoch: 1 };
    this.#context = {
      service: { name, schema: { relations: [] } },
      owner: this.#owner,
      legacy,
      target: service,
      maps,
      emit: () => undefined,
      signal: new AbortController().signal,
      now: () => Date.now(),
      at: async () => undefined,
    } as unknown as MoveContext;
  }

  get #stream() {
    return { service: this.#owner.service, direction: 'forward' } as const;
  }

  async install(): Promise<void> {
    for (const { control } of [this.legacy, this.service]) {
      await control.install(this.#owner.service);
      await control.raiseEpoch(this.#owner);
    }
  }

  /** Whatever is committed from here on is brought over; once is enough. */
  async prepare(): Promise<void> {
    if (this.#isPrepared) return;
    this.#isPrepared = true;
    const capture = await this.legacy.changes.prepare(this.#stream, this.maps, this.#owner);
    const sink = await this.service.sink.open({
      stream: this.#stream,
      owner: this.#owner,
      maps: this.maps,
    });
    await sink.begin(capture);
    await sink.close();
  }

  async begin(): Promise<Replicator> {
    const replicator = new Replicator(this.#context, 'forward');
    await replicator.start('apply');
    return replicator;
  }

  /** Until everything that was committed before the call is there. */
  async catchUp(replicator: Replicator): Promise<void> {
    const nonce = `bench-${process.hrtime.bigint()}-${++this.#markers}`;
    await this.legacy.control.writeBarrier(this.#owner, nonce);
    await replicator.waitForBarrier(nonce, Date.now() + 600_000);
  }

  /** From the start of a process's work to the last change. */
  async apply(): Promise<ReplayFigures> {
    const cpu = process.cpuUsage();
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);
    try {
      const replicator = await this.begin();
      await this.catchUp(replicator);
      await replicator.stop();
    } finally {
      clearInterval(watch);
    }
    const { user, system } = process.cpuUsage(cpu);
    return {
      mostRssMb: Math.round(most / 2 ** 20),
      ownCpuSeconds: Math.round((user + system) / 1e4) / 100,
    };
  }

  async teardown(): Promise<void> {
    this.#isPrepared = false;
    await this.legacy.changes.teardown(this.#stream, this.#owner);
  }
}
