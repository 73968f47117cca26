import type { Guard, GuardContext } from '../step-context.js';

/** Of the stream that follows the owner: forward until the write cutover, reverse from then on. */
export const lagBelowLimit: Guard = {
  name: 'lag-below-limit',
  when: 'always',
  evaluate: async (context) => {
    const direction =
      (await context.store.route(context.service.name))?.owner === 'service' ? 'reverse' : 'forward';
    const status = await context.replication(direction);
    const limit = limitOf(context);
    if (status === null || status.state === 'stopped') {
      // A runner that begins starts replication before it asks; only --dry-run meets this.
      return {
        outcome: 'unknown',
        detail: `nobody replicates ${direction} now, so there is no lag to read`,
        hint: 'dbps run',
      };
    }
    if (status.error !== null) {
      return {
        outcome: 'refused',
        code: 'DBPS_E316',
        detail: `${direction} replication has stopped: ${status.error.message}`,
        hint: `dbps status ${context.service.name}`,
        findings: [],
        mayPass: false,
      };
    }
    const lag = status.lagMs ?? Number.POSITIVE_INFINITY;
    if (lag <= limit && status.mode === 'apply')
      return { outcome: 'ok', detail: `${lag} ms behind, the limit is ${limit} ms` };
    return {
      outcome: 'refused',
      code: 'DBPS_E311',
      detail: `${Number.isFinite(lag) ? `${Math.round(lag)} ms` : 'an unknown time'} behind, the limit is ${limit} ms`,
      hint: 'wait for it with --wait, or choose another limit with --max-lag',
      findings: [],
      mayPass: true,
    };
  },
};

function limitOf({ parameters, settings, phase }: GuardContext): number {
  if (parameters.maxLagMs !== undefined) return parameters.maxLagMs;
  return phase === 'dual-write' ? settings.readCutover.maxLagMs : settings.writeCutover.maxLagMs;
}
