import path from 'node:path';
import type { Command } from 'commander';
import type { Bind } from '../runner.js';

interface GenerateFlags {
  readonly out?: string;
  readonly style?: string;
  readonly check?: boolean;
  readonly force?: boolean;
  readonly plan?: string;
  readonly dryRun?: boolean;
}

export function addGenerate(program: Command, bind: Bind): void {
  program
    .command('generate')
    .summary('schemas, migrations, roles, compose file and runbook of the plan')
    .description(
      'Writes what the plan stands for as files: each service’s schema as SQL and as knex migrations, roles, a compose file, contracts and a runbook. Files that were edited since are not overwritten. Touches no database.',
    )
    .argument('[service...]', 'default: all services of the plan')
    .option('--out <dir>', 'default dbps/generated beside dbps.yaml')
    .option('--style <style>', 'sql or knex; default: both')
    .option('--check', 'write nothing; exit 1 if files are missing, stale or edited')
    .option('--dry-run', 'write nothing, say what would be written')
    .option('--force', 'replace files that were edited')
    .option('--plan <file>', 'default dbps/plan.json')
    .addHelpText('after', '\nExample:\n  $ dbps generate --check')
    .action(
      bind('generate', ['text', 'json', 'markdown'], async (context, services, flags: GenerateFlags) => {
        const { checkGenerated, writeGenerated } = await import('../../app/generate.js');
        const { defaultPlanFile, loadPlan } = await import('../../app/plan.js');
        const { requireServices } = await import('../names.js');
        const { table } = await import('../../report/text/table.js');
        const { markdownTable } = await import('../../report/markdown.js');
        const { config } = await context.loadedConfig();
        const plan = await loadPlan(
          flags.plan === undefined ? defaultPlanFile(config) : path.resolve(context.cwd, flags.plan),
        );
        const directory =
          flags.out === undefined
            ? path.join(config.directory, 'dbps', 'generated')
            : path.resolve(context.cwd, flags.out);
        const wanted = requireServices(config, services);
        const request = {
          plan,
          directory,
          ...(wanted.length > 0 && { services: wanted }),
          ...(flags.style !== undefined && {
            styles: [context.choice('--style', flags.style, ['sql', 'knex'])],
          }),
          ...(flags.force === true && { force: true }),
        };
        const isReadOnly = flags.check === true || flags.dryRun === true;
        const result = isReadOnly ? await checkGenerated(request) : await writeGenerated(request);
        const count = (state: string) => result.files.filter((file) => file.state === state).length;
        const shown = result.files.filter((file) => file.state !== 'unchanged');
        const where = context.relative(directory);
        const summary = ['written', 'unchanged', 'missing', 'stale', 'edited']
          .filter((state) => count(state) > 0)
          .map((state) => `${count(state)} ${state}`)
          .join(', ');
        return {
          result: { ...result, directory: where, plan: plan.hash },
          isYes: result.isCurrent || flags.check !== true,
          nextSteps: [
            result.isCurrent
              ? `dbps migrate advance ${plan.services[0]?.name ?? '<service>'} --to provisioned --dry-run`
              : 'dbps generate',
          ],
          text: (style) =>
            [
              ...(shown.length === 0
                ? []
                : [table(shown.map((file) => [file.state, path.join(where, file.path)])), '']),
              `${style.bold(`plan ${plan.hash}`)} in ${where}: ${summary}`,
            ].join('\n'),
          renderers: {
            markdown: () =>
              `# dbps generate\n\nPlan ${plan.hash}: ${summary}\n\n${markdownTable(
                ['state', 'file'],
                shown.map((file) => [file.state, file.path]),
              )}\n`,
          },
        };
      }),
    );
}
