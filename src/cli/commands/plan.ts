import path from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../config/config.js';
import type { LoadedConfig } from '../../config/load.js';
import { UsageError } from '../../model/errors.js';
import type { Plan } from '../../model/plan.js';
import type { Context } from '../context.js';
import { declined } from '../prompts.js';
import type { PlanReport } from '../results.js';
import type { Bind, Outcome } from '../runner.js';

interface PlanFlags {
  readonly service?: readonly string[];
  readonly out?: string;
  readonly interactive?: boolean;
  readonly dryRun?: boolean;
}

const FORMATS = ['text', 'json', 'markdown', 'sarif', 'junit', 'github'] as const;

export function addPlan(program: Command, bind: Bind): void {
  const plan = program
    .command('plan')
    .summary('check the boundaries against the database and write the plan')
    .description(
      'Reads the shared database, checks dbps.yaml against it, decides what each service database will hold, in which order services move and what becomes of references between them. Writes dbps/plan.json and changes no database.',
    )
    .option('--service <name...>', 'show only these services; the plan always covers all')
    .option('--out <file>', 'where to write the plan; default dbps/plan.json beside dbps.yaml')
    .option(
      '--interactive',
      'first walk the proposed boundaries, move relations, see the price, write dbps.yaml',
    )
    .option('--dry-run', 'write nothing')
    .addHelpText('after', '\nExample:\n  $ dbps plan\n  $ dbps plan show')
    .helpCommand(false)
    .action(
      bind('plan', FORMATS, async (context, _args, flags: PlanFlags) => {
        const { defaultPlanFile, planSplit, writePlan } = await import('../../app/plan.js');
        const { requireServices } = await import('../names.js');
        const { config } =
          flags.interactive === true ? await walkBoundaries(context, flags) : await context.loadedConfig();
        const shown = requireServices(config, flags.service ?? []);
        const made = await planSplit(config, { createdAt: new Date().toISOString(), signal: context.signal });
        const file = flags.out === undefined ? defaultPlanFile(config) : path.resolve(context.cwd, flags.out);
        if (flags.dryRun !== true) await writePlan(file, made);
        return planOutcome(context, config, made, {
          shown,
          lastLine: flags.dryRun === true ? 'Nothing was written' : `Wrote ${context.relative(file)}`,
          file: flags.dryRun === true ? null : context.relative(file),
          next: 'dbps generate',
        });
      }),
    );
  plan
    .command('show')
    .summary('print a saved plan')
    .description('Prints a saved plan. Reads no database.')
    .argument('[file]', 'default dbps/plan.json')
    .option('--exit-code', 'exit 1 if the plan would do something')
    .addHelpText('after', '\nExample:\n  $ dbps plan show --json')
    .action(
      bind('plan show', FORMATS, async (context, [file], flags: { readonly exitCode?: boolean }) => {
        const { loadPlan } = await import('../../app/plan.js');
        const { config } = await context.loadedConfig();
        const from = await planFile(context, config, file);
        const saved = await loadPlan(from);
        return planOutcome(context, config, saved, {
          shown: [],
          lastLine: `Read from ${context.relative(from)}, written ${saved.createdAt}`,
          file: context.relative(from),
          next: 'dbps plan diff',
          isYes: flags.exitCode !== true || saved.services.length === 0,
        });
      }),
    );
  plan
    .command('diff')
    .summary('two plans, or a plan and the live database')
    .description(
      'Compares two saved plans; with one or none, a saved plan with what dbps.yaml and the database would give now: what has drifted.',
    )
    .argument('[a]', 'a saved plan; default dbps/plan.json')
    .argument('[b]', 'another saved plan; default: the live database')
    .option('--exit-code', 'exit 1 if they differ')
    .addHelpText('after', '\nExample:\n  $ dbps plan diff --exit-code')
    .action(
      bind(
        'plan diff',
        ['text', 'json', 'markdown'],
        async (context, [a, b], flags: { readonly exitCode?: boolean }) => {
          const { diffPlans, diffPlanWithLive, loadPlan } = await import('../../app/plan.js');
          const { planDiffText, planDiffMarkdown } = await import('../../report/text/plan-diff.js');
          const { config } = await context.loadedConfig();
          const before = await loadPlan(await planFile(context, config, a));
          const diff =
            b === undefined
              ? await diffPlanWithLive(config, before, {
                  createdAt: new Date().toISOString(),
                  signal: context.signal,
                })
              : diffPlans(before, await loadPlan(path.resolve(context.cwd, b)));
          const isSame = diff.differences.length === 0;
          return {
            result: diff,
            isYes: isSame || flags.exitCode !== true,
            nextSteps: [isSame ? 'dbps status' : 'dbps plan'],
            text: (style) =>
              planDiffText(
                diff,
                b === undefined ? 'the database' : context.relative(path.resolve(context.cwd, b)),
                style,
              ),
            renderers: { markdown: () => planDiffMarkdown(diff) },
          };
        },
      ),
    );
}

/** The proposal under what dbps.yaml says; then dbps.yaml as it was left. */
async function walkBoundaries(context: Context, flags: PlanFlags): Promise<LoadedConfig> {
  const { proposeConfigured, requireTerminal, writeIntoConfig } = await import('../proposal.js');
  const { editBoundaries } = await import('../boundary-editor.js');
  requireTerminal(context);
  if (flags.dryRun === true)
    throw new UsageError({
      code: 'DBPS_E102',
      message: '--interactive writes dbps.yaml, --dry-run writes nothing',
      hint: 'give one of them',
    });
  const { config } = await context.loadedConfig();
  const proposal = await proposeConfigured(context, config);
  const chosen = await editBoundaries(context, proposal.analysis);
  if (chosen === null) throw declined();
  await writeIntoConfig(config, proposal, chosen);
  context.note(`Wrote the services into ${context.relative(config.file)}`);
  return context.reloadedConfig();
}

async function planFile(context: Context, config: Config, given: string | undefined): Promise<string> {
  const { defaultPlanFile } = await import('../../app/plan.js');
  return given === undefined ? defaultPlanFile(config) : path.resolve(context.cwd, given);
}

async function planOutcome(
  context: Context,
  config: Config,
  plan: Plan,
  about: {
    readonly shown: readonly string[];
    readonly lastLine: string;
    readonly file: string | null;
    readonly next: string;
    readonly isYes?: boolean;
  },
): Promise<Outcome<PlanReport>> {
  const { planText } = await import('../../report/text/plan.js');
  const { formatDuration } = await import('../../report/text/format.js');
  const { findingRenderers } = await import('../finding-renderers.js');
  const services =
    about.shown.length === 0 ? plan.services : plan.services.filter(({ name }) => about.shown.includes(name));
  const locate = (service: string | undefined) =>
    config.services.find(({ name }) => name === service)?.location;
  return {
    result: {
      file: about.file,
      hash: plan.hash,
      createdAt: plan.createdAt,
      source: plan.source,
      services: services.map((service) => ({
        name: service.name,
        order: service.order,
        targetEngine: service.targetEngine,
        relations: service.relations,
        detached: service.detached.map(({ label }) => label),
        estimatedRows: service.estimatedRows,
        bytes: service.bytes,
      })),
      crossings: plan.crossings.map(({ label, childService, parentService, origin, onDelete }) => ({
        label,
        childService,
        parentService,
        origin,
        onDelete,
      })),
    },
    findings: plan.findings.map((finding) => {
      const location = finding.location ?? locate(finding.service);
      return location === undefined ? finding : { ...finding, location };
    }),
    isYes: about.isYes ?? true,
    nextSteps: [about.next],
    text: (style) =>
      `${planText(
        { ...plan, services },
        {
          targets: targetsOf(config),
          soak: formatDuration(config.migration.decommission.soakMs),
          fenceTimeout: formatDuration(config.migration.writeCutover.fenceTimeoutMs),
        },
        style,
      )}\n${about.lastLine}`,
    renderers: findingRenderers(context, config.file),
  };
}

/** Redacted URLs; a target whose variables are not set is shown as such: planning needs no password. */
function targetsOf(config: Config): Readonly<Record<string, string>> {
  return Object.fromEntries(
    config.services.flatMap(({ name, target }) => {
      if (target === null) return [];
      try {
        return [[name, target.target().toString()]];
      } catch {
        return [[name, `${target.engine}, its URL is not set yet`]];
      }
    }),
  );
}
