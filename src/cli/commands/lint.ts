import type { Command } from 'commander';
import type { Bind } from '../runner.js';

interface LintFlags {
  readonly service?: string;
  readonly failOn?: string;
}

export function addLint(program: Command, bind: Bind): void {
  program
    .command('lint')
    .summary('SQL that reaches across services')
    .description(
      'Reads .sql files of applications with the grammar of the shared database and holds each statement and each transaction against the boundaries of dbps.yaml: what needs relations of more than one service, or writes what another service owns, will not work once each has a database of its own. Reaches no database.',
    )
    .argument('[paths...]', 'files, or folders with .sql files; default: the current folder')
    .option('--service <name>', 'the service whose SQL this is: relations of all others are foreign to it')
    .option('--fail-on <severity>', 'exit 1 from this severity on: error (default), warning or never')
    .addHelpText('after', '\nExample:\n  $ dbps lint sql/orders --service orders')
    .action(
      bind(
        'lint',
        ['text', 'json', 'markdown', 'github', 'sarif', 'junit'],
        async (context, paths, flags: LintFlags) => {
          const { lint } = await import('../../app/lint.js');
          const { lintText } = await import('../../report/text/lint.js');
          const { applySuppressions } = await import('../suppressions.js');
          const { findingRenderers } = await import('../finding-renderers.js');
          const { requireServices } = await import('../names.js');
          const failOn = context.choice('--fail-on', flags.failOn ?? 'error', ['error', 'warning', 'never']);
          const { config } = await context.loadedConfig();
          if (flags.service !== undefined) requireServices(config, [flags.service]);
          const { findings: found, ...result } = await lint(config, {
            paths: paths.length === 0 ? ['.'] : paths,
            directory: context.cwd,
            ...(flags.service !== undefined && { service: flags.service }),
            signal: context.signal,
          });
          const { findings, suppressed } = applySuppressions(
            found,
            config.suppress,
            new Date().toISOString().slice(0, 10),
          );
          return {
            result: {
              ...result,
              suppressed: suppressed.map(({ finding, reason }) => ({
                code: finding.code,
                subject: finding.subject,
                reason,
              })),
            },
            findings,
            isYes:
              failOn === 'never' ||
              !findings.some(
                ({ severity }) => severity === 'error' || (failOn === 'warning' && severity === 'warning'),
              ),
            nextSteps: [findings[0] === undefined ? 'dbps plan' : `dbps explain ${findings[0].code}`],
            text: (style) => lintText(result, findings, style),
            renderers: findingRenderers(context, config.file),
          };
        },
      ),
    );
}
