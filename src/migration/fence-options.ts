/** What a fence is told, from the service's settings: who passes it, how long it may wait, what it says. */
import type { Database, FenceOptions } from '../engines/engine.js';
import type { Owner } from './ownership.js';
import type { MoveContext } from './move-context.js';

export function fenceOptions(
  context: Pick<MoveContext, 'service' | 'settings'>,
  database: Database,
  newOwner: Owner,
): FenceOptions {
  const { name } = context.service;
  return {
    applier: database.target.user,
    lockTimeoutMs: context.settings.writeCutover.fenceTimeoutMs,
    message:
      newOwner === 'service'
        ? `${name} has its own database now: writes to its relations here are refused`
        : `${name} is still written in the shared database: writes here are refused`,
  };
}
