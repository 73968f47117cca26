import type { Config } from '../config/config.js';
import type { TransitionParameters } from '../migration/step-context.js';
import { perform, type PerformOptions, type PerformResult } from './perform.js';

/** After the piece under way; nothing moves until it is resumed. */
export function pause(config: Config, service: string, options: PerformOptions): Promise<PerformResult> {
  return perform(
    config,
    service,
    { kind: 'pause', reason: `asked for by ${options.holder} on ${options.host}` },
    options,
  );
}

export interface ResumeOptions extends PerformOptions {
  /** Carry additive schema changes over to the other side first. */
  readonly applyDdl?: boolean;
}

/** Goes on; with a live runner a transition that was under way goes on too. */
export function resume(config: Config, service: string, options: ResumeOptions): Promise<PerformResult> {
  const parameters: TransitionParameters = options.applyDdl === true ? { applyDdl: true } : {};
  return perform(config, service, { kind: 'resume', parameters }, options);
}
