import type { Command } from 'commander';
import type { Phase } from '../../model/phases.js';
import { didYouMean } from '../../config/suggest.js';
import { PHASES, isPhase } from '../../model/phases.js';
import { UsageError } from '../../model/errors.js';
import type { Bind } from '../runner.js';
import { moveService, requestService, type TransitionFlags } from '../moving.js';
import { reconcileService, type ReconcileFlags } from '../reconciling.js';

export interface AdvanceFlags extends TransitionFlags {
  readonly reads?: string;
  readonly readRelations?: readonly string[];
  readonly maxLag?: string;
  readonly wait?: boolean;
  readonly keepOwner?: boolean;
}

export const MOVE_FORMATS = ['text', 'json', 'ndjson'] as const;

export function addMigrate(program: Command, bind: Bind): void {
  const migrate = program
    .command('migrate')
    .summary('move a service through its phases')
    .description(
      'Takes a service from phase to phase: planned, provisioned, dual-write, read-cutover, write-cutover, sync, decommissioned. Each transition is guarded, journalled and can be run again after a crash; all but the last can be taken back.',
    )
    .addHelpText('after', '\nExample:\n  $ dbps migrate advance orders --to provisioned --dry-run')
    .helpCommand(false);

  migrate
    .command('advance')
    .summary('do the next transition')
    .description(
      'Carries out the next transition of a service, or goes on with one that was begun. With a live dbps run the wish is filed with it and followed; without one this command does the work itself.',
    )
    .argument('<service>')
    .option('--to <phase>', 'the phase to reach; default: the next one')
    .option('--reads <percent>', 'share of reads for the service database, 0 to 100')
    .option('--read-relations <relation...>', 'relations whose reads go to the service database first')
    .option('--max-lag <time>', 'overrides the limit of the gate')
    .option('--wait', 'wait for guards that may pass by themselves')
    .option('--keep-owner', "writes that reached legacy behind the fence are settled: the owner's rows stand")
    .option('--timeout <time>', 'stop cleanly after this long')
    .option('--detach', 'with a live dbps run: do not wait for it')
    .option('--confirm <token>', 'for what cannot be undone; printed by --dry-run')
    .option('--plan <file>', 'default dbps/plan.json')
    .option('--dry-run', 'ask every guard, print every statement, change nothing')
    .addHelpText('after', '\nExample:\n  $ dbps migrate advance orders --to read-cutover --reads 10')
    .action(
      bind('migrate advance', MOVE_FORMATS, async (context, [service = ''], flags: AdvanceFlags) => {
        const to = phaseOf(flags.to);
        const parameters = {
          ...(flags.reads !== undefined && { reads: context.number('--reads', flags.reads, 0, 100) }),
          ...(flags.readRelations !== undefined && { readRelations: flags.readRelations }),
          ...(flags.maxLag !== undefined && { maxLagMs: await context.duration('--max-lag', flags.maxLag) }),
          ...(flags.confirm !== undefined && { confirm: flags.confirm }),
          ...(flags.wait === true && { wait: true }),
          ...(flags.keepOwner === true && { keepOwner: true }),
        };
        return moveService(
          context,
          service,
          { kind: 'advance', ...(to !== undefined && { to }), parameters },
          flags,
        );
      }),
    );

  migrate
    .command('pause')
    .summary('stop after the piece of work under way')
    .description(
      'Stops what is under way at the next safe point and lets replication rest. Nothing is undone.',
    )
    .argument('<service>')
    .addHelpText('after', '\nExample:\n  $ dbps migrate pause orders')
    .action(
      bind('migrate pause', MOVE_FORMATS, async (context, [service = '']) =>
        requestService(context, service, 'pause', false),
      ),
    );

  migrate
    .command('resume')
    .summary('go on after a pause')
    .description('Lets replication run again and goes on with a transition that was under way.')
    .argument('<service>')
    .option('--apply-ddl', 'carry additive schema changes over to the other side first')
    .addHelpText('after', '\nExample:\n  $ dbps migrate resume orders')
    .action(
      bind(
        'migrate resume',
        MOVE_FORMATS,
        async (context, [service = ''], flags: { readonly applyDdl?: boolean }) =>
          requestService(context, service, 'resume', flags.applyDdl === true),
      ),
    );

  migrate
    .command('abort')
    .summary('back to planned, from any phase before write-cutover')
    .description(
      'Takes back everything that was made for a service: capture, the copy, the schema in its database. Legacy keeps its data and stays the owner throughout.',
    )
    .argument('<service>')
    .option('--plan <file>', 'default dbps/plan.json')
    .option('--timeout <time>', 'stop cleanly after this long')
    .option('--dry-run', 'print what would be taken back, change nothing')
    .addHelpText('after', '\nExample:\n  $ dbps migrate abort orders --dry-run')
    .action(
      bind('migrate abort', MOVE_FORMATS, async (context, [service = ''], flags: TransitionFlags) =>
        moveService(context, service, { kind: 'abort' }, flags),
      ),
    );

  migrate
    .command('reconcile')
    .summary('writes that reached legacy behind the fence: show them, decide about them')
    .description(
      "Shows each write that reached legacy after its writes had moved, with both versions of the row and the SQL that carries legacy's over to the service database. With --keep-owner the owner's rows stand: legacy's are made like them, and the writes are settled. Nothing is ever merged by itself.",
    )
    .argument('<service>')
    .option('--keep-owner', "the owner's rows stand; carry over first what is wanted of legacy's")
    .option('--dry-run', 'print what --keep-owner would write to legacy, change nothing')
    .option('--timeout <time>', 'stop cleanly after this long')
    .option('--plan <file>', 'default dbps/plan.json')
    .addHelpText('after', '\nExample:\n  $ dbps migrate reconcile orders --keep-owner')
    .action(
      bind('migrate reconcile', MOVE_FORMATS, async (context, [service = ''], flags: ReconcileFlags) =>
        reconcileService(context, service, flags),
      ),
    );

  migrate
    .command('history')
    .summary('the journal: who did which step, when, and for how long')
    .description('Prints the journal of one service or of all, oldest first.')
    .argument('[service]')
    .option('--limit <n>', 'the newest n entries; default 200')
    .addHelpText('after', '\nExample:\n  $ dbps migrate history orders')
    .action(
      bind(
        'migrate history',
        ['text', 'json', 'ndjson'],
        async (context, [service], flags: { readonly limit?: string }) => {
          const { history } = await import('../../app/history.js');
          const { historyText } = await import('../../report/text/migrate.js');
          const { requireServices } = await import('../names.js');
          const { config } = await context.loadedConfig();
          if (service !== undefined) requireServices(config, [service]);
          const limit = flags.limit === undefined ? 200 : context.number('--limit', flags.limit, 1, 100_000);
          const entries = await history(config, service, limit);
          return {
            result: { entries },
            isYes: true,
            nextSteps: [service === undefined ? 'dbps status' : `dbps status ${service}`],
            text: () => historyText(entries, service),
          };
        },
      ),
    );
}

export function phaseOf(text: string | undefined): Phase | undefined {
  if (text === undefined || isPhase(text)) return text;
  const meant = didYouMean(text, PHASES);
  throw new UsageError({
    code: 'DBPS_E103',
    message: `"${text}" is no phase${meant === undefined ? '' : `. Did you mean "${meant}"?`}`,
    hint: `the phases are ${PHASES.join(', ')}`,
  });
}
