/** Asks, rehearses or carries out: the same for every command that moves a service. */
import type { MoveWish } from '../app/ahead.js';
import type { RehearsalResult } from '../app/rehearsal.js';
import { shellWord } from '../model/shell-word.js';
import type { Context } from './context.js';
import type { Outcome } from './runner.js';
import type { MoveFlags } from './move-options.js';
import type { MoveReport, RehearsalReport } from './results.js';

export interface TransitionFlags extends MoveFlags {
  readonly to?: string;
  readonly confirm?: string;
  readonly maxLag?: string;
  readonly dryRun?: boolean;
}

export async function moveService(
  context: Context,
  service: string,
  wish: MoveWish,
  flags: TransitionFlags,
): Promise<Outcome<MoveReport | RehearsalReport>> {
  const { legsAhead } = await import('../app/ahead.js');
  const { rehearseWish } = await import('../app/rehearse.js');
  const { perform } = await import('../app/perform.js');
  const { confirmIrreversible, confirmReversible } = await import('./prompts.js');
  const { moveOptions } = await import('./move-options.js');
  const { moveOutcome } = await import('./move-outcome.js');
  const { requireServices } = await import('./names.js');
  const { config } = await context.loadedConfig();
  requireServices(config, [service]);
  const options = await moveOptions(context, flags);
  if (flags.dryRun === true)
    return rehearsalOutcome(context, wish, flags, await rehearseWish(config, service, wish, options));

  const { legs, confirm } = await legsAhead(config, service, wish, options);
  const way = legs.map(({ kind, transition }) =>
    kind === 'take-back'
      ? `take back ${transition.from} -> ${transition.to}`
      : `${transition.from} -> ${transition.to}: ${transition.summary}`,
  );
  let confirmed = wish;
  if (legs.some(({ transition }) => transition.confirmation === 'irreversible')) {
    await confirmIrreversible(context, {
      service,
      question: `${service}: ${way.join('; ')}.`,
      token: flags.confirm,
    });
    // The typed name stands for the token of what was just shown.
    if (wish.kind === 'advance' && flags.confirm === undefined)
      confirmed = { ...wish, parameters: { ...wish.parameters, confirm } };
  } else if (legs.length > 0) {
    await confirmReversible(context, `${service}: ${way.join('; ')}?`);
  }
  return moveOutcome(await perform(config, service, confirmed, options));
}

export async function requestService(
  context: Context,
  service: string,
  kind: 'pause' | 'resume',
  applyDdl: boolean,
): Promise<Outcome<MoveReport>> {
  const { pause, resume } = await import('../app/pause.js');
  const { moveOptions } = await import('./move-options.js');
  const { moveOutcome } = await import('./move-outcome.js');
  const { requireServices } = await import('./names.js');
  const { config } = await context.loadedConfig();
  requireServices(config, [service]);
  const options = await moveOptions(context, {});
  const result =
    kind === 'pause'
      ? await pause(config, service, options)
      : await resume(config, service, { ...options, applyDdl });
  const outcome = moveOutcome(result);
  return {
    ...outcome,
    nextSteps: [kind === 'pause' ? `dbps migrate resume ${service}` : `dbps status ${service}`],
    text: (style) =>
      result.transitions.length > 0
        ? outcome.text(style)
        : `${service} ${kind === 'pause' ? 'is paused' : 'goes on'} in ${result.phase}`,
  };
}

async function rehearsalOutcome(
  context: Context,
  wish: MoveWish,
  flags: TransitionFlags,
  rehearsal: RehearsalResult,
): Promise<Outcome<RehearsalReport>> {
  const { rehearsalText } = await import('../report/text/rehearsal.js');
  const { service, confirm: token } = rehearsal;
  const plain = [
    'dbps',
    wish.kind === 'rollback' ? 'rollback' : `migrate ${wish.kind}`,
    service,
    ...(flags.to === undefined ? [] : ['--to', flags.to]),
    ...asFlags('parameters' in wish ? wish.parameters : {}, flags),
  ].join(' ');
  const command = token === null ? plain : `${plain} --confirm ${token}`;
  const results = rehearsal.legs.flatMap(({ guards }) => guards.map(({ result }) => result));
  const isRefused = results.some(({ outcome }) => outcome === 'refused');
  const refusal = results.find(({ outcome }) => outcome === (isRefused ? 'refused' : 'unknown'));
  const hint =
    refusal !== undefined && 'hint' in refusal && /^dbps [^;,.]*$/.test(refusal.hint) ? refusal.hint : null;
  return {
    result: { ...rehearsal, dryRun: true },
    findings: rehearsal.legs.flatMap(({ guards }) =>
      guards.flatMap(({ result }) => (result.outcome === 'refused' ? result.findings : [])),
    ),
    isYes: true,
    nextSteps: [hint ?? (isRefused ? `${plain} --dry-run` : command)],
    text: (style) =>
      [
        rehearsalText(rehearsal, context.isVerbose, style),
        ...(token === null || isRefused ? [] : ['The token is void when the plan or the state changes.']),
      ].join('\n'),
  };
}

/** What was rehearsed, as it is to be typed for the real thing. */
function asFlags(
  parameters: Extract<MoveWish, { readonly kind: 'advance' }>['parameters'],
  flags: TransitionFlags,
): readonly string[] {
  const { reads, readRelations, keepOwner, wait } = parameters;
  return [
    ...(reads === undefined ? [] : ['--reads', String(reads)]),
    ...(readRelations === undefined ? [] : ['--read-relations', ...readRelations.map(shellWord)]),
    ...(flags.maxLag === undefined ? [] : ['--max-lag', shellWord(flags.maxLag)]),
    ...(keepOwner === true ? ['--keep-owner'] : []),
    ...(wait === true ? ['--wait'] : []),
    ...(flags.timeout === undefined ? [] : ['--timeout', shellWord(flags.timeout)]),
    ...(flags.plan === undefined ? [] : ['--plan', shellWord(flags.plan)]),
  ];
}
