/** Which settings a runner goes by: it read dbps.yaml when it was started, and the file may say something else by now. */
import { createHash } from 'node:crypto';
import type { MoveSettings } from './move-context.js';

/** The archive's folder is left out: it is another path on another machine, with one and the same dbps.yaml. */
export function settingsDigest({ archive: _archive, ...settings }: MoveSettings): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 12);
}
