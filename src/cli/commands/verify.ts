import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../model/errors.js';
import { shellWord } from '../../model/shell-word.js';
import type { Bind } from '../runner.js';

interface VerifyFlags {
  readonly mode?: string;
  readonly only?: readonly string[];
  readonly sample?: string;
  readonly recheck?: boolean;
  readonly maxLag?: string;
  readonly shown?: string;
  readonly strict?: boolean;
  readonly repairSql?: string;
  readonly plan?: string;
}

export function addVerify(program: Command, bind: Bind): void {
  program
    .command('verify')
    .summary('compare legacy and service, row by row')
    .description(
      'Compares both databases through read-only sessions while both are in use. What differs is looked at again after the other side has caught up, so that lag is never reported as loss. Says what it did not compare.',
    )
    .argument('[service...]', 'default: all that have a target')
    .option(
      '--mode <mode>',
      'counts, changed or full (default): rows counted, rows changed since, or every row',
    )
    .option('--only <relation...>', 'only these relations')
    .option('--sample <n>', 'about so many rows of each relation, in key ranges chosen at random')
    .option('--recheck', 'only the rows that the last verification found different')
    .option('--max-lag <time>', 'how long the other side may take to catch up; default 60s')
    .option('--shown <n>', 'differing rows shown for each relation')
    .option('--strict', 'call values different that are equal but written differently, such as 1.0 and 1.00')
    .option(
      '--repair-sql <file>',
      'write SQL that repairs the side that does not own the writes; runs nothing',
    )
    .option('--plan <file>', 'default dbps/plan.json')
    .addHelpText('after', '\nExample:\n  $ dbps verify orders --mode full')
    .action(
      bind(
        'verify',
        ['text', 'json', 'ndjson', 'markdown', 'junit', 'github', 'sarif'],
        async (context, services, flags: VerifyFlags) => {
          const { verify } = await import('../../app/verify.js');
          const { defaultPlanFile, loadPlan } = await import('../../app/plan.js');
          const { requireServices } = await import('../names.js');
          const { verifyText } = await import('../../report/text/verify.js');
          const { verifyJunit } = await import('../../report/verify-junit.js');
          const { findingRenderers } = await import('../finding-renderers.js');
          const { config } = await context.loadedConfig();
          const mode = context.choice('--mode', flags.mode ?? 'full', ['counts', 'changed', 'full']);
          refuseTogether(mode, flags);
          const plan = await loadPlan(
            flags.plan === undefined ? defaultPlanFile(config) : path.resolve(context.cwd, flags.plan),
          );
          const outcome = await verify(config, {
            plan,
            mode,
            services: requireServices(config, services),
            ...(flags.only !== undefined && { only: flags.only }),
            ...(flags.strict === true && { isStrict: true }),
            ...(flags.sample !== undefined && {
              sample: {
                rows: context.number('--sample', flags.sample, 1, 1_000_000_000),
                random: Math.random,
              },
            }),
            ...(flags.recheck === true && { recheck: true }),
            records: path.join(config.directory, 'dbps', 'verify'),
            ...(flags.shown !== undefined && { shown: context.number('--shown', flags.shown, 0, 1_000_000) }),
            ...(flags.repairSql !== undefined && { repair: true }),
            ...(flags.maxLag !== undefined && {
              catchUpTimeoutMs: await context.duration('--max-lag', flags.maxLag),
            }),
            emit: context.events,
            signal: context.signal,
            now: Date.now,
          });
          const repairFile =
            flags.repairSql === undefined ? null : path.resolve(context.cwd, flags.repairSql);
          if (repairFile !== null) writeRepair(repairFile, outcome.repairSql ?? '-- nothing differs\n');
          const findings = outcome.services.flatMap((result) => result.findings);
          const different = outcome.services.flatMap((result) =>
            result.relations.flatMap(({ relation, differing }) =>
              differing > 0 ? [{ service: result.service, relation }] : [],
            ),
          );
          const [first] = different;
          return {
            result: {
              mode,
              isEqual: outcome.isEqual,
              relations: outcome.services.flatMap((result) =>
                result.relations.map((relation) => ({ service: result.service, ...relation })),
              ),
              services: outcome.services.map(
                ({ relations: _relations, findings: _findings, ...rest }) => rest,
              ),
              repairSqlFile: repairFile === null ? null : context.relative(repairFile),
            },
            findings,
            isYes: outcome.isEqual,
            nextSteps: [
              first === undefined
                ? 'dbps status'
                : repairFile === null
                  ? `dbps verify ${first.service} --only ${shellWord(first.relation)} --repair-sql repair.sql`
                  : `dbps verify ${first.service} --only ${shellWord(first.relation)}`,
              ...(first === undefined || mode !== 'full'
                ? []
                : [`dbps verify ${first.service} --only ${shellWord(first.relation)} --recheck`]),
            ],
            text: (style) =>
              [
                verifyText(outcome.services, style),
                ...(repairFile === null
                  ? []
                  : [`Wrote ${context.relative(repairFile)}; read it before you run it`]),
              ].join('\n'),
            renderers: {
              ...findingRenderers(context, config.file),
              junit: () => verifyJunit(outcome.services),
            },
          };
        },
      ),
    );
}

/** Each of them says which rows are looked at. */
function refuseTogether(mode: string, { sample, recheck }: VerifyFlags): void {
  const chosen = [
    ...(sample === undefined ? [] : ['--sample']),
    ...(recheck === true ? ['--recheck'] : []),
    ...(mode === 'full' ? [] : [`--mode ${mode}`]),
  ];
  if (chosen.length > 1)
    throw new UsageError({
      code: 'DBPS_E113',
      message: `${chosen.join(' and ')} both say which rows are compared`,
      hint: 'use one of them',
    });
}

function writeRepair(file: string, sql: string): void {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, sql);
  } catch (cause) {
    throw new UsageError({
      code: 'DBPS_E105',
      message: `cannot write ${file}: ${(cause as NodeJS.ErrnoException).code ?? 'error'}`,
      hint: 'check the folder and its permissions',
      cause,
    });
  }
}
