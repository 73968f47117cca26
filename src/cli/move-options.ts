/** What the use cases that move a service are given of this process. */
import os from 'node:os';
import path from 'node:path';
import type { PerformOptions } from '../app/perform.js';
import type { Context } from './context.js';
import { controlPoints } from './control-points.js';

export interface MoveFlags {
  readonly timeout?: string;
  readonly detach?: boolean;
  readonly plan?: string;
}

export async function moveOptions(context: Context, flags: MoveFlags): Promise<PerformOptions> {
  const at = controlPoints(context.env['DBPS_CONTROL_POINT'], (line) => context.streams.stderr.write(line));
  return {
    emit: context.events,
    signal: context.signal,
    now: Date.now,
    holder: `dbps-${process.pid}`,
    host: os.hostname(),
    lockTimeoutMs: await context.lockTimeoutMs(),
    ...(flags.plan !== undefined && { planFile: path.resolve(context.cwd, flags.plan) }),
    ...(flags.timeout !== undefined && { timeoutMs: await context.duration('--timeout', flags.timeout) }),
    ...(flags.detach === true && { detach: true }),
    ...(at !== undefined && { at }),
  };
}
