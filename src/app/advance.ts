import type { Config } from '../config/config.js';
import type { TransitionParameters } from '../migration/step-context.js';
import type { Phase } from '../model/phases.js';
import { perform, type PerformOptions, type PerformResult } from './perform.js';

export interface AdvanceOptions extends PerformOptions {
  /** Absent: the next phase. */
  readonly to?: Phase;
  readonly parameters?: TransitionParameters;
}

/** The next transition, or one that was begun and not finished. */
export function advance(config: Config, service: string, options: AdvanceOptions): Promise<PerformResult> {
  const { to, parameters = {} } = options;
  return perform(config, service, { kind: 'advance', ...(to !== undefined && { to }), parameters }, options);
}
