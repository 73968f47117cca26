import type { Command } from 'commander';
import type { Bind, Outcome } from '../runner.js';
import type { Context } from '../context.js';
import type { DoctorReport, ReleasedLeases } from '../results.js';

interface DoctorFlags {
  readonly sourceOnly?: boolean;
  readonly service?: readonly string[];
  readonly fix?: boolean;
  readonly dryRun?: boolean;
  readonly releaseLease?: boolean;
}

export function addDoctor(program: Command, bind: Bind): void {
  program
    .command('doctor')
    .summary('can this run? connections, privileges, replication, leftovers')
    .description(
      'Reaches every database of dbps.yaml and checks version, privileges, log level, free slots, replica identity, open transactions and what earlier runs left behind. Changes nothing without --fix or --release-lease.',
    )
    .option('--source-only', 'look at the shared database only')
    .option('--service <name...>', 'only these services')
    .option('--fix', 'drop what earlier runs left behind, after asking')
    .option('--dry-run', 'with --fix or --release-lease: say what would be done, do nothing')
    .option('--release-lease', 'free the lease of a runner that is gone')
    .addHelpText('after', '\nExample:\n  $ dbps doctor --source-only')
    .action(
      bind(
        'doctor',
        ['text', 'json', 'markdown', 'github', 'sarif', 'junit'],
        async (context, _args, flags: DoctorFlags) =>
          flags.releaseLease === true ? releaseLease(context, flags) : check(context, flags),
      ),
    );
}

async function check(context: Context, flags: DoctorFlags): Promise<Outcome<DoctorReport>> {
  const { doctor, removeLeftovers } = await import('../../app/doctor.js');
  const { doctorText } = await import('../../report/text/doctor.js');
  const { findingRenderers } = await import('../finding-renderers.js');
  const { config, filesRead } = await context.loadedConfig();
  const { requireServices } = await import('../names.js');
  const options = {
    services: requireServices(config, flags.service ?? []),
    isSourceOnly: flags.sourceOnly === true,
    signal: context.signal,
  };
  let result = await doctor(config, options);
  if (flags.fix === true && result.leftovers.length > 0) {
    const list = result.leftovers
      .map(({ where, trace }) => `${trace.kind} ${trace.name} (${where})`)
      .join(', ');
    if (flags.dryRun === true) context.note(`would drop ${list}`);
    else {
      const { confirmReversible } = await import('../prompts.js');
      await confirmReversible(context, `Drop ${list}?`);
      await removeLeftovers(config, result.leftovers, context.signal);
      context.note(`dropped ${list}`);
      result = await doctor(config, options);
    }
  }
  const findings = result.checks.flatMap((entry) => entry.finding ?? []);
  const read = filesRead.map((file) => context.relative(file));
  const isWell = result.problems === 0;
  if (result.unknown > 0) {
    // A partial answer is no answer: exit 4, with everything that is known in the report.
    const { IncompleteOutcome } = await import('../incomplete.js');
    throw new IncompleteOutcome(
      outcomeOf(),
      `${result.unknown} ${result.unknown === 1 ? 'check' : 'checks'} could not look: ${result.checks.find((entry) => entry.outcome === 'unknown')?.detail ?? ''}`,
    );
  }
  return outcomeOf();

  function outcomeOf(): Outcome<DoctorReport> {
    return {
      result: { ...result, filesRead: read },
      findings,
      isYes: isWell && result.unknown === 0,
      nextSteps: [isWell ? (config.services.length === 0 ? 'dbps analyze' : 'dbps plan') : nextFor(findings)],
      text: (style) => `${doctorText(result, style)}      ${style.dim(`read ${read.join(', ')}`)}`,
      renderers: findingRenderers(context, config.file),
    };
  }
}

function nextFor(findings: readonly { readonly code: string; readonly severity: string }[]): string {
  const worst =
    findings.find(({ severity }) => severity === 'error') ??
    findings.find(({ severity }) => severity === 'warning');
  return worst === undefined
    ? 'dbps doctor'
    : worst.code === 'RPL302'
      ? 'dbps doctor --fix'
      : `dbps explain ${worst.code}`;
}

async function releaseLease(context: Context, flags: DoctorFlags): Promise<Outcome<ReleasedLeases>> {
  const { heldLeases, releaseLeases } = await import('../../app/doctor.js');
  const { requireServices } = await import('../names.js');
  const { config } = await context.loadedConfig();
  const services = requireServices(config, flags.service ?? []);
  const held = await heldLeases(config, services);
  const lines = held.map(
    (lease) => `${lease.service}: held by ${lease.holder} on ${lease.host}, heartbeat ${lease.heartbeatAt}`,
  );
  if (held.length > 0 && flags.dryRun !== true) {
    const { confirmReversible } = await import('../prompts.js');
    await confirmReversible(
      context,
      `Free the lease of ${held.map(({ service }) => service).join(', ')}? A runner that still lives is stopped by it.`,
    );
    await releaseLeases(config, services);
  }
  const word = flags.dryRun === true ? 'would free' : 'freed';
  return {
    result: { released: held, dryRun: flags.dryRun === true },
    isYes: true,
    nextSteps: ['dbps status'],
    text: () => (held.length === 0 ? 'no lease is held' : lines.map((line) => `${word}  ${line}`).join('\n')),
    renderers: {},
  };
}
