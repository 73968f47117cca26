import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { ConfigError, UsageError } from '../../model/errors.js';
import type { InitResult } from '../../app/init.js';
import type { Environment } from '../../config/interpolate.js';
import type { Context } from '../context.js';
import { declined } from '../prompts.js';
import { requireTerminal, writeNewConfig } from '../proposal.js';
import type { Bind } from '../runner.js';

interface InitFlags {
  readonly engine?: string;
  readonly urlEnv?: string;
  readonly interactive?: boolean;
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
    .option(
      '--interactive',
      'walk the proposed boundaries, move relations, see the price, write the services too',
    )
    .option('--force', 'overwrite dbps.yaml')
    .option('--dry-run', 'print what would be written')
    .addHelpText('after', '\nExample:\n  $ dbps init --url-env DATABASE_URL')
    .action(
      bind('init', ['text', 'json'], async (context, _args, flags: InitFlags) => {
        if (flags.interactive === true) requireTerminal(context);
        if (flags.interactive === true && flags.dryRun === true)
          throw new UsageError({
            code: 'DBPS_E102',
            message: '--interactive writes dbps.yaml, --dry-run writes nothing',
            hint: 'give one of them',
          });
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
        const flag = flags.force === true ? 'w' : 'wx';
        const services =
          flags.interactive === true ? await walkBoundaries(context, file, draft, variables, flag) : null;
        if (flags.dryRun !== true && services === null) fs.writeFileSync(file, draft.text, { flag });
        const { text, ...facts } = draft;
        return {
          result: { file: context.relative(file), written: flags.dryRun !== true, ...facts },
          isYes: true,
          nextSteps: [
            draft.database === null ? 'dbps doctor' : services === null ? 'dbps analyze' : 'dbps plan',
          ],
          text: () => {
            if (flags.dryRun === true) return text;
            const { database } = draft;
            return [
              ...(database === null
                ? [`${draft.urlVariable} is not set: schemas are a guess`]
                : [
                    `${database.url}   ${database.product}   ${database.relations} relations in ${database.schemas.join(', ')}`,
                  ]),
              `Wrote ${context.relative(file)}${services === null ? '' : ` with ${services} services`}; the URL stays in \${${draft.urlVariable}}`,
            ].join('\n');
          },
        };
      }),
    );
}

/** @returns how many services were written. */
async function walkBoundaries(
  context: Context,
  file: string,
  draft: InitResult,
  variables: Environment['variables'],
  flag: 'w' | 'wx',
): Promise<number> {
  if (draft.database === null)
    throw new UsageError({
      code: 'DBPS_E109',
      message: `--interactive needs a database to read, and ${draft.urlVariable} is not set`,
      hint: `export ${draft.urlVariable}=postgres://user@host:5432/shop`,
    });
  const { analyze } = await import('../../app/analyze.js');
  const { connectionTarget } = await import('../../config/connection.js');
  const { editBoundaries } = await import('../boundary-editor.js');
  const target = connectionTarget({
    url: variables[draft.urlVariable] ?? '',
    engine: draft.engine,
    directory: path.dirname(file),
  });
  const { schemas } = draft.database;
  const proposal = await analyze({ source: { kind: 'live', target, schemas }, signal: context.signal });
  const chosen = await editBoundaries(context, proposal.analysis);
  if (chosen === null) throw declined();
  await writeNewConfig(file, proposal, chosen, { urlVariable: draft.urlVariable, schemas, flag });
  return chosen.size;
}
