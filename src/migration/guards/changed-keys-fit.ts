import type { Guard } from '../step-context.js';

/** Rows that can be compared while writers wait: at the pace measured on small machines well below a tenth of a second. */
export const MOST_KEYS_IN_PAUSE = 20_000;

export const changedKeysFit: Guard = {
  name: 'changed-keys-fit',
  when: 'always',
  evaluate: async (context) => {
    const { changed } = await context.target.control.readKeySets(context.service.name, 'forward');
    if (changed <= MOST_KEYS_IN_PAUSE)
      return { outcome: 'ok', detail: `${changed} changed rows are left to verify` };
    return {
      outcome: 'refused',
      code: 'DBPS_E314',
      detail: `${changed} changed rows are not verified yet; ${MOST_KEYS_IN_PAUSE} fit into the pause`,
      hint: 'dbps run verifies changed rows as they come; wait for it with --wait',
      findings: [],
      mayPass: true,
    };
  },
};
