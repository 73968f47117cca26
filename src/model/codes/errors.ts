import type { CodeEntry } from './catalogue.js';

/** E1xx usage, E2xx config, E3xx refused, E4xx a database could not be used, E5xx interrupted, E9xx internal. */
export const ERRORS = {
  DBPS_E301: {
    title: 'the lease is held by another runner, or was taken over',
    meaning:
      'One runner at a time may move a service. Its epoch goes with every write to the state store and every checkpoint, so a runner that was replaced cannot write any more.',
    example: 'orders is held by ci-4821 on runner-7, heartbeat 1s ago',
    fix: 'Wait for it, or stop it; a dead runner’s lease runs out by itself. dbps doctor --release-lease frees one by hand.',
  },
  DBPS_E901: {
    title: 'a bug in dbps',
    meaning:
      'Something happened that dbps does not expect. The debug report holds the stack, without secrets.',
    example: 'internal error; report written to dbps-debug-….json',
    fix: 'Report it with the debug report. What was under way is journalled and can be run again.',
  },
} as const satisfies Record<string, CodeEntry>;
