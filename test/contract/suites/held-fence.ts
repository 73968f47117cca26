/** What every engine keeps with the session that holds writers from closing to commit, whatever it holds them by. */
import { expect, test } from 'vitest';
import type { Control, Fence } from '../../../src/engines/engine.js';
import { ConnectionTarget } from '../../../src/model/connection-target.js';
import { COMMIT, HOLD, OWNER } from '../../support/fence.js';
import { ADMIN } from '../../support/global-setup.js';
import { startProxy, type Proxy } from '../../support/proxy.js';

/** A session of the application. */
export interface Writer {
  /** 'accepted', or what the server refused it with. */
  attempt(sql: string): Promise<string>;
  /** Until it waits for somebody. */
  isWaiting(): Promise<void>;
}

/** One engine's database with `orders (id, note)`, rows 1 and 2 in it, relations that the service takes along, and a fence over them. */
export interface HeldFenceWorld {
  readonly fence: Fence;
  readonly control: Control;
  readonly relations: readonly string[];
  readonly target: ConnectionTarget;
  /** The same fence by way of another address; ends with its sessions. */
  through(target: ConnectionTarget): Promise<{ readonly fence: Fence; close(): Promise<void> }>;
  writer(): Promise<Writer>;
  /** Until the fence's session waits for somebody. */
  isFenceWaiting(): Promise<void>;
  /** Until a take-over waits for somebody. */
  isTakeOverWaiting(): Promise<void>;
  /** Holds up the commit in its middle until it is let go. */
  stopCommit(): Promise<{ isReached(): Promise<void>; letGo(): Promise<void> }>;
}

export interface HeldFenceTraits {
  /** What observing shows while nothing is closed, and something has been armed. */
  readonly open: 'absent' | 'open';
  /** A word of the statement that holds writers. */
  readonly holding: string;
  /** How a session that does nothing within its transaction is named. */
  readonly idle: string;
}

export function heldFenceSuite(world: () => HeldFenceWorld, traits: HeldFenceTraits): void {
  const hold = (options: Partial<typeof HOLD> & { signal?: AbortSignal } = {}) =>
    world().fence.hold(OWNER, world().relations, { ...HOLD, ...options });
  const ownership = () => world().fence.ownership(OWNER.service);
  const states = async () => [
    ...new Set((await world().fence.observe(OWNER.service, world().relations)).map(({ state }) => state)),
  ];
  const arm = (fence: Fence = world().fence) => fence.arm?.(OWNER, world().relations, HOLD);
  const expectWritable = async (sql = "INSERT INTO orders (note) VALUES ('after')") =>
    expect(await (await world().writer()).attempt(sql)).toBe('accepted');

  test('a crash before COMMIT leaves everything as it was', async () => {
    const held = await hold();
    const crash = new Error('killed');
    await expect(held.commit({ ...COMMIT, beforeCommit: () => Promise.reject(crash) })).rejects.toBe(crash);
    expect(await states()).toEqual([traits.open]);
    expect(await ownership()).toBeNull();
    await expectWritable();
  });

  test('H8: ownership moves by compare-and-set: a second cutover and a replaced runner change nothing', async () => {
    const held = await hold();
    await held.commit(COMMIT);
    const second = await hold();
    await expect(second.commit(COMMIT)).rejects.toMatchObject({ code: 'DBPS_E333' });
    expect(await ownership()).toMatchObject({ owner: 'service', revision: 1 });
    await world().control.raiseEpoch({ ...OWNER, epoch: 2 });
    await expect(hold()).rejects.toMatchObject({ code: 'DBPS_E301' });
  });

  test('H7: a take-over waits for the holding session, then it is over', async () => {
    const held = await hold();
    const takeOver = world().control.raiseEpoch({ ...OWNER, epoch: 2 });
    await world().isTakeOverWaiting();
    expect(await held.commit(COMMIT)).toBe('committed');
    await takeOver;
    await expect(hold()).rejects.toMatchObject({ code: 'DBPS_E301' });
  });

  test.each([
    ['before', 'not-committed'],
    ['after', 'committed'],
  ] as const)('H8: the answer to COMMIT is lost (line cut %s it): the row says %s', async (when, outcome) => {
    await overALine(world(), async (fence, proxy) => {
      await arm(fence);
      const held = await fence.hold(OWNER, world().relations, HOLD);
      proxy.cutOnce('COMMIT', when);
      expect(await held.commit(COMMIT)).toBe(outcome);
      expect(proxy.cuts).toBe(1);
      const isCommitted = outcome === 'committed';
      expect((await ownership())?.owner).toBe(isCommitted ? 'service' : undefined);
      expect(await states()).toEqual([isCommitted ? 'closed' : traits.open]);
    });
  });

  test('H1, H17: when the runner hangs the server frees the writers after the pause budget', async () => {
    const held = await hold({ pauseBudgetMs: 900 });
    await expectWritable("UPDATE orders SET note = 'x' WHERE id = 1");
    await expect(held.commit(COMMIT)).rejects.toMatchObject({ code: 'DBPS_E530' });
    expect(await ownership()).toBeNull();
    expect(await states()).toEqual([traits.open]);
  });

  test('a transaction that does not end is named, and nothing is left locked', async () => {
    await arm();
    const writer = await world().writer();
    await writer.attempt('BEGIN');
    await writer.attempt("UPDATE orders SET note = 'mine' WHERE id = 1");
    await expect(hold({ attempts: 2 })).rejects.toMatchObject({
      code: 'DBPS_E332',
      message: expect.stringContaining(`shop_app (${traits.idle}`) as string,
    });
    await expectWritable("UPDATE orders SET note = 'y' WHERE id = 2");
    await writer.attempt('ROLLBACK');
  });

  test('an aborted signal ends the session: writers go on', async () => {
    const abort = new AbortController();
    const held = await hold({ signal: abort.signal });
    const writer = await world().writer();
    const write = writer.attempt("UPDATE orders SET note = 'x' WHERE id = 1");
    await writer.isWaiting();
    abort.abort();
    expect(await write).toBe('accepted');
    await expect(held.commit(COMMIT)).rejects.toThrow();
  });

  test('called off while it waits for a writer: it fails at once, and writers go on', async () => {
    await arm();
    const writer = await world().writer();
    await writer.attempt('BEGIN');
    await writer.attempt("UPDATE orders SET note = 'mine' WHERE id = 1");
    const abort = new AbortController();
    const holding = expect(hold({ attempts: 1000, signal: abort.signal })).rejects.toThrow('called off');
    await world().isFenceWaiting();
    abort.abort(new Error('called off'));
    await holding;
    await expectWritable("UPDATE orders SET note = 'y' WHERE id = 2");
    await writer.attempt('ROLLBACK');
  });

  test('called off while the line is silent: it fails at once, and nothing has moved', async () => {
    await overALine(world(), async (fence, proxy) => {
      await arm();
      const holdBy = (signal: AbortSignal) => fence.hold(OWNER, world().relations, { ...HOLD, signal });
      // In a statement of the commit, and before it in one of the holding.
      for (const statement of ['INSERT INTO dbps.checkpoint', traits.holding]) {
        const abort = new AbortController();
        const silence = proxy.silenceOnce(statement);
        const ended = expect(holdBy(abort.signal).then((held) => held.commit(COMMIT))).rejects.toThrow(
          'called off',
        );
        await silence;
        abort.abort(new Error('called off'));
        await ended;
        // The server hears of it as soon as the network does; else it ends the session after the pause budget.
        proxy.cut();
      }
      // Between two statements.
      const abort = new AbortController();
      const held = await holdBy(abort.signal);
      const beforeCommit = () => {
        proxy.silence();
        abort.abort(new Error('called off'));
        return Promise.resolve();
      };
      await expect(held.commit({ ...COMMIT, beforeCommit })).rejects.toThrow('called off');
      proxy.cut();
      expect(await ownership()).toBeNull();
      await expectWritable();
    });
  });

  test('called off while a statement of the commit is under way: it fails at once, and nothing has moved', async () => {
    const abort = new AbortController();
    const held = await hold({ pauseBudgetMs: 60_000, signal: abort.signal });
    const stop = await world().stopCommit();
    const committing = expect(held.commit(COMMIT)).rejects.toThrow('called off');
    await stop.isReached();
    abort.abort(new Error('called off'));
    await committing;
    // Once more: it is over.
    await held.rollback();
    await stop.letGo();
    expect(await ownership()).toBeNull();
    await expectWritable();
  });
}

/** Over a line that can be cut or fall silent. */
export async function overALine(
  world: Pick<HeldFenceWorld, 'target' | 'through'>,
  work: (fence: Fence, proxy: Proxy) => Promise<void>,
): Promise<void> {
  const { engine, host, port, user, database, tls, parameters } = world.target;
  const proxy = await startProxy(host, port);
  const password = async () => ADMIN.password;
  const target = new ConnectionTarget({
    engine,
    host,
    user,
    database,
    tls,
    parameters,
    port: proxy.port,
    password,
  });
  const cut = await world.through(target);
  try {
    await work(cut.fence, proxy);
  } finally {
    await cut.close();
    await proxy.close();
  }
}
