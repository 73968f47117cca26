import { lookForAccess } from '../legacy-access.js';
import type { Guard } from '../step-context.js';

/**
 * Nobody but dbps uses the legacy relations, readers included, and nobody has for as long as the soak lasts (no-rogue-writes looks at what was
 * written since the cutover).
 */
export const noLegacyAccess: Guard = {
  name: 'no-legacy-access',
  when: 'start',
  evaluate: async (context) => {
    const { sessions, statements, unknown, past } = await lookForAccess(context);
    const refused = (detail: string, hint: string) =>
      ({ outcome: 'refused', code: 'DBPS_E347', detail, hint, findings: [], mayPass: true }) as const;
    if (sessions.length > 0)
      return refused(
        sessions
          .slice(0, 5)
          .map(({ relation, user, detail }) => `${user} uses ${relation} (${detail})`)
          .join('; '),
        'Point these sessions at the service database, or end them.',
      );
    const { soakMs } = context.settings.decommission;
    const lastUsed =
      statements.length > 0 ? { at: new Date(context.now()).toISOString(), by: statements } : past.lastUsed;
    if (lastUsed !== null && context.now() - Date.parse(lastUsed.at) < soakMs)
      return refused(
        `legacy was used up to ${lastUsed.at} by ${lastUsed.by.slice(0, 5).join(', ')}: nobody may have for as long as the soak lasts`,
        `dbps migrate history ${context.service.name} shows when; point these applications at the service database`,
      );
    return {
      outcome: 'ok',
      detail: `nobody but dbps uses the legacy relations${unknown === null ? '' : `; what came and went between two looks was not seen: ${unknown}`}`,
    };
  },
};
