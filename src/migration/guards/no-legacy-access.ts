import { relationsOn } from '../shape.js';
import type { Guard } from '../step-context.js';

/** Nobody but dbps uses the legacy relations now, readers included: no-rogue-writes looks at what was written since the cutover. */
export const noLegacyAccess: Guard = {
  name: 'no-legacy-access',
  when: 'start',
  evaluate: async (context) => {
    const access = await context.legacy.fence.access(relationsOn('legacy', context));
    if (access.length === 0) return { outcome: 'ok', detail: 'nobody but dbps uses the legacy relations' };
    return {
      outcome: 'refused',
      code: 'DBPS_E347',
      detail: access
        .slice(0, 5)
        .map(({ relation, user, detail }) => `${user} uses ${relation} (${detail})`)
        .join('; '),
      hint: 'Point these sessions at the service database, or end them.',
      findings: [],
      mayPass: true,
    };
  },
};
