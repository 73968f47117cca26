/** The moves of one configuration under one set of options: what a program holds that drives dbps as a library. */
import type { Config } from '../config/config.js';
import type { JournalEntry } from '../state/state-store.js';
import { advance, type AdvanceOptions } from './advance.js';
import { history } from './history.js';
import type { MoveOptions } from './move.js';
import { pause, resume, type ResumeOptions } from './pause.js';
import type { PerformOptions, PerformResult } from './perform.js';
import type { RehearsalResult } from './rehearsal.js';
import { rehearseWish } from './rehearse.js';
import { abort, rollback, type RollbackOptions } from './rollback.js';
import { run } from './run.js';
import { status, type ServiceStatus } from './status.js';

type Own<T extends MoveOptions> = Partial<Omit<T, keyof MoveOptions>>;

export interface Migration {
  /** The next transition, or one that was begun and not finished. */
  advance(service: string, options?: Own<AdvanceOptions>): Promise<PerformResult>;
  /** One transition back, or as far as `to`. */
  rollback(service: string, options?: Own<RollbackOptions>): Promise<PerformResult>;
  /** Back to planned, from any phase before write-cutover. */
  abort(service: string, options?: Own<PerformOptions>): Promise<PerformResult>;
  pause(service: string, options?: Own<PerformOptions>): Promise<PerformResult>;
  resume(service: string, options?: Own<ResumeOptions>): Promise<PerformResult>;
  /** What a wish would ask and do; writes nothing. */
  rehearse(service: string, wish: Parameters<typeof rehearseWish>[2]): Promise<RehearsalResult>;
  status(services?: readonly string[]): Promise<readonly ServiceStatus[]>;
  history(service?: string, limit?: number): Promise<readonly JournalEntry[]>;
  /** Holds and replicates every service until the signal. */
  run(): Promise<void>;
}

/**
 * Connections are opened by each call and closed by it.
 * @example
 * const migration = openMigration(loadConfig({ cwd: process.cwd(), env: process.env }).config, {
 *   holder: 'deploy-17', host: 'ci', now: Date.now, emit: console.log, signal: AbortSignal.timeout(600_000),
 * });
 * await migration.advance('orders', { to: 'provisioned' });
 */
export function openMigration(config: Config, options: MoveOptions): Migration {
  return {
    advance: (service, own) => advance(config, service, { ...options, ...own }),
    rollback: (service, own) => rollback(config, service, { ...options, ...own }),
    abort: (service, own) => abort(config, service, { ...options, ...own }),
    pause: (service, own) => pause(config, service, { ...options, ...own }),
    resume: (service, own) => resume(config, service, { ...options, ...own }),
    rehearse: (service, wish) => rehearseWish(config, service, wish, options),
    status: (services) =>
      status(config, {
        ...(services !== undefined && { services }),
        signal: options.signal,
        now: options.now,
      }),
    history: (service, limit) => history(config, service, limit),
    run: () => run(config, options),
  };
}
