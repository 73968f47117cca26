/**
 * One service taken through its whole life by runners that are killed at every instant that they pass, over and over: the databases are loaded
 * once, and each kill begins where the one before left things. What a kill loses stays lost, so that both sides and the clients' ledgers
 * show it whenever they are compared.
 */
import { expect } from 'vitest';
import { confirmationToken } from '../../src/migration/itinerary.js';
import type { MoveSettings } from '../../src/migration/move-context.js';
import type { Wish } from '../../src/migration/requests.js';
import { writeRequest } from '../../src/migration/requests.js';
import type { ServiceRunner } from '../../src/migration/service-runner.js';
import { PHASES, type Phase } from '../../src/model/phases.js';
import type { Shop, ShopDatabase } from './move.js';
import { TEST_SETTINGS } from './move-environment.js';
import { startMover } from './mover.js';
import type { Leg } from './torture.js';

/** Who is killed: `migrate advance` (or `rollback`), or the long-lived `run` that was asked to do it. */
export type Victim = 'advance' | 'run';

/** Clients at work on both sides, and what they met that they should not have. */
export interface Writers {
  readonly errors: readonly string[];
}

const isForward = ({ from, to }: Leg): boolean => PHASES.indexOf(to) > PHASES.indexOf(from);
const hasBoth = (phase: Phase): boolean =>
  PHASES.indexOf(phase) >= PHASES.indexOf('dual-write') && phase !== 'decommissioned';

const isMysql = (database: ShopDatabase): boolean => database.target.engine === 'mysql';

export class KillWalk {
  kills = 0;
  readonly #shop: Shop<ShopDatabase>;
  readonly #followers: Writers;
  readonly #victim: Victim;
  readonly #settings: Partial<MoveSettings>;
  readonly #every: number;
  #request: number | null = null;

  /** @param every 1: at each instant; n: at each n-th. */
  constructor(
    shop: Shop<ShopDatabase>,
    followers: Writers,
    victim: Victim,
    settings: Partial<MoveSettings>,
    every = 1,
  ) {
    this.#shop = shop;
    this.#followers = followers;
    this.#victim = victim;
    this.#settings = settings;
    this.#every = every;
  }

  /** Killed at every instant, gone on with every time, until it has arrived. @returns the instants, in the order they were passed. */
  async resumed(leg: Leg): Promise<readonly string[]> {
    const seen: string[] = [];
    let isCommitted = false;
    for (;;) {
      const point = await this.#kill(await this.#wish(leg), seen);
      if (point === null) break;
      seen.push(point);
      await this.#expectOneOwner(point);
      if (
        isForward(leg) &&
        (isCommitted || seen.some((passed) => /\.committed$|^retire-legacy\.captures-ended$/.test(passed)))
      )
        isCommitted = await this.#cannotBeTakenBack(point);
    }
    expect(await this.#phase(), `after ${leg.from} -> ${leg.to}`).toEqual({ phase: leg.to, target: null });
    await this.expectBothEqual(`${leg.from} -> ${leg.to}`);
    return seen;
  }

  /**
   * Killed at every instant and taken back every time, up to the commit point; the last time the taking back is killed at every instant of its own.
   * Leaves the service where the transition begins, or, past the commit point, on its way.
   */
  async takenBack(leg: Leg): Promise<readonly string[]> {
    const seen: string[] = [];
    for (;;) {
      const point = await this.#kill(await this.#wish(leg), seen);
      if (point === null) return seen;
      seen.push(point);
      await this.#expectOneOwner(point);
      const { target } = await this.#phase();
      if (target === null) {
        // Killed before it began, or after it had ended.
        if ((await this.#phase()).phase === leg.to) return seen;
        continue;
      }
      if (!(await this.#takeBack(leg, point))) return seen;
      expect(await this.#phase(), point).toEqual({ phase: leg.from, target: null });
      await this.expectBothEqual(`${point}, taken back`);
    }
  }

  /** Killed at one instant; then whoever takes it back is killed at every instant of that, and the last one gets there. */
  async takenBackInPieces(leg: Leg, point: string): Promise<readonly string[]> {
    const all = await this.#pointsUpTo(leg, point);
    if (all === null) return [];
    const seen: string[] = [];
    for (;;) {
      const undone = await this.#kill({ kind: 'rollback', parameters: { wait: true } }, seen);
      if (undone === null) break;
      seen.push(undone);
      if ((await this.#phase()).target === null) break;
    }
    expect(await this.#phase(), `${point}, taken back in pieces`).toEqual({ phase: leg.from, target: null });
    await this.expectBothEqual(`${point}, taken back in pieces`);
    return seen;
  }

  async #pointsUpTo(leg: Leg, point: string): Promise<string | null> {
    const killed = await startMover(this.#shop, await this.#wish(leg), {
      point: `${point}:kill`,
      settings: this.#settings,
    }).ended;
    await this.#lapse();
    if (killed === null) this.kills++;
    return killed === null && (await this.#phase()).target !== null ? point : null;
  }

  /** Undisturbed, in this process. */
  async perform(wish: Wish): Promise<void> {
    await this.#withRunner(async (runner) => void (await runner.perform(wish)));
  }

  async expectBothEqual(where: string): Promise<void> {
    expect(this.#followers.errors, where).toEqual([]);
    const { phase, target } = await this.#phase();
    if (!hasBoth(phase) || target !== null) return;
    await this.#withRunner(async (runner) => {
      await runner.rest();
      const result = await runner.guardContext(runner.stepContext({}, runner.signal), phase).verify('full');
      expect({ where, isEqual: result.isEqual, findings: result.findings }).toMatchObject({ isEqual: true });
    });
  }

  /** @returns where it died; null when it arrived. */
  async #kill(wish: Wish, seen: string[]): Promise<string | null> {
    const began = performance.now();
    const { store } = this.#shop;
    const { phase, target } = await this.#phase();
    // `run` holds no service that has not begun, or is over: there the command is the runner itself.
    const isRun =
      this.#victim === 'run' && (target !== null || (phase !== 'planned' && phase !== 'decommissioned'));
    if (isRun) {
      if (this.#request !== null) await store.cancelRequest(this.#request);
      this.#request = (await store.fileRequest(writeRequest(this.#shop.moves, wish, 'torture'))).id;
    }
    const mover = startMover(this.#shop, isRun ? null : wish, {
      seen,
      every: this.#every,
      settings: this.#settings,
    });
    let isOver = false;
    const ended = mover.ended.finally(() => (isOver = true));
    while (isRun && !isOver) {
      const request = await store.request(this.#request ?? 0);
      if (request?.state === 'done' || request?.state === 'failed') {
        mover.process.kill('SIGTERM');
        await ended;
        if (request.state === 'failed') throw new Error(JSON.stringify(request.result));
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const word = await ended;
    await this.#lapse();
    if (word?.killedAt !== undefined) {
      this.kills++;
      seen.push(...(word.passed ?? []));
      const from = `${phase}${target === null ? '' : ` on the way to ${target}`}`;
      process.stdout.write(
        `${isRun ? 'run' : wish.kind} (${from}) killed at ${word.killedAt}, ${Math.round(performance.now() - began)} ms\n`,
      );
      return word.killedAt;
    }
    if (word?.ok !== true)
      throw new Error(`${wish.kind}, after ${seen.at(-1) ?? 'nothing'}: ${JSON.stringify(word)}`);
    return null;
  }

  /** A dead runner's lease runs out: only the waiting is left out. What its sessions still do on the servers goes on. */
  async #lapse(): Promise<void> {
    const now = isMysql(this.#shop.legacy) ? 'UTC_TIMESTAMP(6)' : 'clock_timestamp()';
    await this.#shop.legacy.query(
      `UPDATE dbps.service SET lease_expires_at = ${now} WHERE service = '${this.#shop.moves}' AND lease_holder IS NOT NULL`,
    );
  }

  /** @returns false past the commit point, where it is refused. */
  async #takeBack(leg: Leg, point: string): Promise<boolean> {
    try {
      await this.perform({ kind: 'rollback', parameters: { wait: true } });
      return true;
    } catch (error) {
      if ((error as { code?: string }).code !== 'DBPS_E307') throw error;
      expect(isForward(leg), point).toBe(true);
      return false;
    }
  }

  /** @returns true; or false when nothing is under way any more. */
  async #cannotBeTakenBack(point: string): Promise<boolean> {
    if ((await this.#phase()).target === null) return false;
    await expect(this.perform({ kind: 'rollback', parameters: { wait: true } }), point).rejects.toMatchObject(
      {
        code: 'DBPS_E307',
      },
    );
    return true;
  }

  async #wish(leg: Leg): Promise<Wish> {
    if (!isForward(leg)) return { kind: 'rollback', to: leg.to, parameters: { wait: true } };
    const state = await this.#shop.store.service(this.#shop.moves);
    const confirm =
      leg.to === 'decommissioned' && state !== null ? { confirm: confirmationToken(state) } : {};
    return { kind: 'advance', to: leg.to, parameters: { wait: true, ...confirm } };
  }

  async #phase(): Promise<{ phase: Phase; target: Phase | null }> {
    const state = await this.#shop.store.service(this.#shop.moves);
    return { phase: state?.phase ?? 'planned', target: state?.target ?? null };
  }

  /** Each database says whether it owns the writes: never both. */
  async #expectOneOwner(point: string): Promise<void> {
    const owners = await Promise.all(
      [this.#shop.legacy, this.#shop.service].map(async (database) => {
        const there = await database.query(
          "SELECT 1 AS there FROM information_schema.tables WHERE table_schema = 'dbps' AND table_name = 'route'",
        );
        if (there.length === 0) return null;
        const [row] = await database.query(
          `SELECT owner FROM dbps.route WHERE service = '${this.#shop.moves}'`,
        );
        return row?.['owner'] ?? null;
      }),
    );
    expect(owners, point).not.toEqual(['legacy', 'service']);
    expect(this.#followers.errors, point).toEqual([]);
  }

  async #withRunner(work: (runner: ServiceRunner) => Promise<void>): Promise<void> {
    const runner = await this.#shop.runner(
      { leaseMs: 10_000, settings: { ...TEST_SETTINGS, ...this.#settings } },
      new AbortController().signal,
      30_000,
    );
    try {
      await work(runner);
    } finally {
      await runner.close();
    }
  }
}
