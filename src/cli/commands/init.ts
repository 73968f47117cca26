import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { ConfigError, UsageError } from '../../model/errors.js';
import type { Bind } from '../runner.js';

interface InitFlags {
  readonly engine?: string;
  readonly urlEnv?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export function addInit(program: Command, bind: Bind): void {
  program
    .command('init')
    .summary('write a first dbps.yaml')
    .description(
      'Writes dbps.yaml into the working directory. The URL of the shared database is taken from the environment (SHARED_DATABASE_URL, DBPS_SOURCE_URL or DATABASE_URL) and never written down; engine and schemas are read from the database.',
    )
    .option('--engine <engine>', 'postgres or mysql, where there is no database to ask')
    .option('--url-env <name>', 'the variable that holds the URL')
    .option('--force', 'overwrite dbps.yaml')
    .option('--dry-run', 'print what would be written')
    .addHelpText('after', '\nExample:\n  $ dbps init --url-env DATABASE_URL')
    .action(
      bind('init', ['text', 'json'], async (context, _args, flags: InitFlags) => {
        const { draftConfig } = await import('../../app/init.js');
        const { environmentFor } = await import('../../config/load.js');
        const { ConnectionUrlError } = await import('../../config/connection.js');
        const file = path.resolve(context.cwd, context.flags.config ?? 'dbps.yaml');
        if (fs.existsSync(file) && flags.force !== true && flags.dryRun !== true)
          throw new UsageError({
            code: 'DBPS_E111',
            message: `${context.relative(file)} exists already`,
            hint: 'edit it, or add --force to write it anew',
          });
        const { variables } = environmentFor(file, {
          cwd: context.cwd,
          env: context.env,
          envFile: context.flags.envFile,
        });
        const engine =
          flags.engine === undefined
            ? undefined
            : context.choice('--engine', flags.engine, ['postgres', 'mysql']);
        const draft = await draftConfig({
          environment: { variables, directory: path.dirname(file) },
          urlVariable: flags.urlEnv,
          engine,
          signal: context.signal,
        }).catch((error: unknown) => {
          if (!(error instanceof ConnectionUrlError)) throw error;
          throw new ConfigError({
            code: 'DBPS_E204',
            message: `the URL ${error.got} ${error.message}`,
            hint: error.hint,
          });
        });
        if (flags.dryRun !== true)
          fs.writeFileSync(file, draft.text, { flag: flags.force === true ? 'w' : 'wx' });
        const { text, ...facts } = draft;
        return {
          result: { file: context.relative(file), written: flags.dryRun !== true, ...facts },
          isYes: true,
          nextSteps: [draft.database === null ? `dbps doctor` : 'dbps analyze'],
          text: () => {
            if (flags.dryRun === true) return text;
            const { database } = draft;
            return [
              ...(database === null
                ? [`${draft.urlVariable} is not set: schemas are a guess`]
                : [
                    `${database.url}   ${database.product}   ${database.relations} relations in ${database.schemas.join(', ')}`,
                  ]),
              `Wrote ${context.relative(file)}; the URL stays in \${${draft.urlVariable}}`,
            ].join('\n');
          },
        };
      }),
    );
}
