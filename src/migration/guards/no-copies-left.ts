import type { Guard } from '../step-context.js';
import { copiesOnTheWay } from '../reader-copies.js';

/** Copies are fed from legacy: its relations go only when nobody reads copies of them any more. */
export const noCopiesLeft: Guard = {
  name: 'no-copies-left',
  when: 'always',
  evaluate: async ({ service, store }) => {
    const copies = await copiesOnTheWay(store, service.name);
    if (copies.length === 0) return { outcome: 'ok', detail: 'nobody has copies of its relations' };
    return {
      outcome: 'refused',
      code: 'DBPS_E363',
      detail: copies
        .map(({ name, relations }) => `${name} is fed from legacy's ${relations.join(', ')}`)
        .join('; '),
      hint: `let the reader ask ${service.name} instead, then dbps migrate abort ${copies[0]?.name ?? ''}; or leave ${service.name} in sync`,
      findings: [],
      mayPass: false,
    };
  },
};
