/** PostgreSQL: its roles put together. Each role stands in a file of its own beside this one. */
import type { Capabilities } from '../engine.js';

export const CAPABILITIES: Capabilities = {
  transactionalDdl: true,
  fenceKind: 'lock',
  sharedSnapshots: true,
  logCapture: true,
  triggerCapture: false,
};
