import type { Command } from 'commander';
import { moveService, type TransitionFlags } from '../moving.js';
import type { Bind } from '../runner.js';
import { MOVE_FORMATS, phaseOf } from './migrate.js';

interface RollbackFlags extends TransitionFlags {
  readonly keepOwner?: boolean;
}

export function addRollback(program: Command, bind: Bind): void {
  program
    .command('rollback')
    .summary('one transition back, without losing a write')
    .description(
      'Takes a service one transition back, or as far as --to. After the write cutover this is the same cutover with the roles swapped, fed by reverse capture: nothing written since is lost. A transition that was begun and not finished is taken back.',
    )
    .argument('<service>')
    .option('--to <phase>', 'the phase to go back to; default: one transition')
    .option('--keep-owner', "writes that reached legacy behind the fence are settled: the owner's rows stand")
    .option('--timeout <time>', 'stop cleanly after this long')
    .option('--detach', 'with a live dbps run: do not wait for it')
    .option('--plan <file>', 'default dbps/plan.json')
    .option('--dry-run', 'ask every guard, print every statement, change nothing')
    .addHelpText('after', '\nExample:\n  $ dbps rollback orders --dry-run')
    .action(
      bind('rollback', MOVE_FORMATS, async (context, [service = ''], flags: RollbackFlags) => {
        const to = phaseOf(flags.to);
        return moveService(
          context,
          service,
          {
            kind: 'rollback',
            ...(to !== undefined && { to }),
            parameters: flags.keepOwner === true ? { keepOwner: true } : {},
          },
          flags,
        );
      }),
    );
}
