import type { Config } from '../config/config.js';
import type { TransitionParameters } from '../migration/step-context.js';
import type { Phase } from '../model/phases.js';
import { perform, type PerformOptions, type PerformResult } from './perform.js';

export interface RollbackOptions extends PerformOptions {
  /** Absent: one transition back; a transition that was begun and not finished is taken back. */
  readonly to?: Phase;
  readonly parameters?: TransitionParameters;
}

export function rollback(config: Config, service: string, options: RollbackOptions): Promise<PerformResult> {
  const { to, parameters = {} } = options;
  return perform(config, service, { kind: 'rollback', ...(to !== undefined && { to }), parameters }, options);
}

/** Back to planned, from any phase before write-cutover. */
export function abort(config: Config, service: string, options: PerformOptions): Promise<PerformResult> {
  return perform(config, service, { kind: 'abort' }, options);
}
