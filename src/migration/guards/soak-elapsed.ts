import type { Guard } from '../step-context.js';

const HOUR = 3_600_000;

export const soakElapsed: Guard = {
  name: 'soak-elapsed',
  when: 'start',
  evaluate: async (context) => {
    const startedAt = (await context.store.service(context.service.name))?.soakStartedAt ?? null;
    const needed = context.settings.decommission.soakMs;
    const elapsed = startedAt === null ? 0 : context.now() - Date.parse(startedAt);
    if (startedAt !== null && elapsed >= needed)
      return { outcome: 'ok', detail: `soaked for ${duration(elapsed)}` };
    return {
      outcome: 'refused',
      code: 'DBPS_E326',
      detail: startedAt === null ? 'the soak has not begun' : `${duration(elapsed)} of ${duration(needed)}`,
      hint: `dbps status ${context.service.name}`,
      findings: [],
      mayPass: context.parameters.wait === true,
    };
  },
};

function duration(ms: number): string {
  if (ms < 60_000) return `${Math.floor(ms / 1000)}s`;
  if (ms < HOUR) return `${Math.floor(ms / 60_000)}m`;
  const days = Math.floor(ms / (24 * HOUR));
  return days === 0 ? `${Math.floor(ms / HOUR)}h` : `${days}d ${Math.floor((ms % (24 * HOUR)) / HOUR)}h`;
}
