import os from 'node:os';
import type { Command } from 'commander';
import type { Bind } from '../runner.js';

export function addRun(program: Command, bind: Bind): void {
  program
    .command('run')
    .summary('the long-lived replicator of all services')
    .description(
      'Holds every service that is on its way, replicates in both directions, and carries out what migrate and rollback file with it, until Ctrl-C or SIGTERM. Stopped cleanly it exits with 5, so that a supervisor starts it again; whatever it held is taken up where it was.',
    )
    .option('--plan <file>', 'default dbps/plan.json')
    .addHelpText('after', '\nExample:\n  $ dbps run')
    .action(
      bind('run', ['text', 'json', 'ndjson'], async (context, _args, flags: { readonly plan?: string }) => {
        const { run } = await import('../../app/run.js');
        const { moveOptions } = await import('../move-options.js');
        const { config } = await context.loadedConfig();
        const options = await moveOptions(context, flags);
        context.note(`dbps run ${process.pid} on ${os.hostname()}; Ctrl-C stops it cleanly`);
        await run(config, { ...options, holder: `run-${process.pid}` });
        return { result: { stopped: true }, isYes: true, nextSteps: ['dbps status'], text: () => 'stopped' };
      }),
    );
}
