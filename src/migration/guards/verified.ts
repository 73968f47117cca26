import { InterruptedError } from '../../model/errors.js';
import type { VerifyMode } from '../../model/verification.js';
import type { Guard, GuardContext } from '../step-context.js';
import { hasFullVerification, summarise } from '../verified.js';

/**
 * As thorough as the gate asks. `full` is satisfied by a full comparison since the copy together with the rows that changed since; what is
 * dropped afterwards is compared in full once more.
 */
export const verified: Guard = {
  name: 'verified',
  when: 'always',
  evaluate: async (context) => {
    const mode = await modeFor(context);
    const result = await context.verify(mode).catch((error: unknown) => {
      // A dry run applies nothing: where no runner does either, what differs may be lag. That is no answer, and no failure.
      if (context.isDryRun && error instanceof InterruptedError && error.code === 'DBPS_E540') return error;
      throw error;
    });
    if (result instanceof Error)
      return {
        outcome: 'unknown',
        detail: `${mode}: not compared, ${result.message}`,
        hint: 'dbps run',
      };
    if (result.isEqual) {
      const rows = result.relations.reduce((sum, relation) => sum + relation.rows, 0);
      return { outcome: 'ok', detail: `${mode}: ${rows} rows compared, all equal` };
    }
    return {
      outcome: 'refused',
      code: 'DBPS_E310',
      detail: summarise(result),
      hint: `dbps verify ${context.service.name}`,
      findings: result.findings,
      mayPass: false,
    };
  },
};

async function modeFor({ phase, settings, store, service }: GuardContext): Promise<VerifyMode> {
  const wanted =
    phase === 'sync'
      ? settings.decommission.verify
      : phase === 'read-cutover'
        ? settings.writeCutover.verify
        : settings.readCutover.verify;
  if (wanted !== 'full' || phase === 'sync') return wanted;
  return (await hasFullVerification(store, service.name)) ? 'changed' : 'full';
}
