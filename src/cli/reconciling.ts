/** `migrate reconcile`: looks, or carries out the decision. */
import type { Context } from './context.js';
import type { MoveFlags } from './move-options.js';
import type { MoveReport, ReconcileReport } from './results.js';
import type { Outcome } from './runner.js';

export interface ReconcileFlags extends MoveFlags {
  readonly keepOwner?: boolean;
  readonly dryRun?: boolean;
}

export async function reconcileService(
  context: Context,
  service: string,
  flags: ReconcileFlags,
): Promise<Outcome<MoveReport | ReconcileReport>> {
  const { keepOwner, listRogueWrites } = await import('../app/reconcile.js');
  const { confirmReversible } = await import('./prompts.js');
  const { moveOptions } = await import('./move-options.js');
  const { moveOutcome } = await import('./move-outcome.js');
  const { requireServices } = await import('./names.js');
  const { keepOwnerText, reconcileText } = await import('../report/text/reconcile.js');
  const { config } = await context.loadedConfig();
  requireServices(config, [service]);
  const options = await moveOptions(context, flags);
  const { writes, findings, refusal } = await listRogueWrites(config, service, options);
  const command = `dbps migrate reconcile ${service} --keep-owner`;
  if (flags.dryRun === true)
    return {
      result: { service, writes, refusal, dryRun: true },
      findings,
      isYes: true,
      nextSteps: [writes.length === 0 || refusal !== null ? `dbps status ${service}` : command],
      text: (style) => keepOwnerText({ service, writes, refusal }, style),
    };
  if (flags.keepOwner !== true || writes.length === 0)
    return {
      result: { service, writes, refusal },
      findings,
      isYes: writes.length === 0,
      nextSteps: [writes.length === 0 ? `dbps status ${service}` : command],
      text: (style) => reconcileText({ service, writes }, style),
    };
  await confirmReversible(
    context,
    `${service}: ${writes.length} rows of legacy are overwritten with the owner's; what legacy has is lost?`,
  );
  return moveOutcome(await keepOwner(config, service, options));
}
