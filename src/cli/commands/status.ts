import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ServiceStatus } from '../../app/status.js';
import { UsageError } from '../../model/errors.js';
import { printable } from '../../report/printable.js';
import type { Bind, Outcome } from '../runner.js';
import type { Context } from '../context.js';
import type { StatusReport } from '../results.js';

interface StatusFlags {
  readonly watch?: boolean;
  readonly interval?: string;
  readonly fields?: readonly string[];
  readonly exitCode?: boolean;
}

export function addStatus(program: Command, bind: Bind): void {
  program
    .command('status')
    .summary('where every service is, or one in detail')
    .description(
      'Shows phase, activity and traffic of each service: what the state store remembers, and what the databases themselves say of fences, slots and lag. Changes nothing.',
    )
    .argument('[service]', 'one service in detail')
    .option('--watch', 'again and again, until Ctrl-C')
    .option('--interval <time>', 'with --watch: how often; default 2s')
    .option('--fields <field...>', 'with --json: only these fields of each service')
    .option('--exit-code', 'exit 1 if a service is blocked or failed, or something has drifted')
    .addHelpText('after', '\nExample:\n  $ dbps status orders --watch')
    .action(
      bind(
        'status',
        ['text', 'json', 'ndjson', 'markdown', 'github', 'sarif', 'junit'],
        async (context, [service], flags: StatusFlags) => {
          return flags.watch === true ? watch(context, service, flags) : look(context, service, flags);
        },
      ),
    );
}

async function look(
  context: Context,
  service: string | undefined,
  flags: StatusFlags,
): Promise<Outcome<StatusReport>> {
  const { status } = await import('../../app/status.js');
  const { requireServices } = await import('../names.js');
  const { statusListText, statusText } = await import('../../report/text/status.js');
  const { findingsText } = await import('../../report/text/findings.js');
  const { findingRenderers } = await import('../finding-renderers.js');
  const { markdownTable } = await import('../../report/markdown.js');
  const { config } = await context.loadedConfig();
  const services = await status(config, {
    services: requireServices(config, service === undefined ? [] : [service]),
    signal: context.signal,
    now: Date.now,
  });
  const findings = services.flatMap((entry) => entry.findings);
  const isWell =
    findings.length === 0 &&
    services.every(({ activity }) => activity !== 'blocked' && activity !== 'failed');
  const next = services
    .filter((entry) => entry.next !== null)
    .toSorted((a, b) => urgency(a) - urgency(b))[0]?.next;
  return {
    result: { services: services.map((entry) => pick(withoutFindings(entry), flags.fields)) },
    findings,
    isYes: isWell || flags.exitCode !== true,
    nextSteps: [next ?? (config.services.length === 0 ? 'dbps analyze' : 'dbps doctor')],
    text: (style) => {
      const [only] = services;
      const text =
        service !== undefined && only !== undefined
          ? statusText(only, Date.now(), style)
          : statusListText(services, style);
      return findings.length === 0 ? text : `${text}\n\n${findingsText(findings, style)}`;
    },
    renderers: {
      ...findingRenderers(context, config.file),
      markdown: () =>
        `# dbps status\n\n${markdownTable(
          ['service', 'phase', 'activity', 'reads', 'writes', 'reason'],
          services.map((entry) => [
            entry.service,
            entry.target === null ? entry.phase : `${entry.phase} -> ${entry.target}`,
            entry.activity,
            `${entry.traffic.readShare}% service`,
            entry.traffic.owner,
            entry.reason ?? '',
          ]),
        )}\n`,
    },
  };
}

/** Whose next step comes first: what has stopped, then what nobody replicates, then what was begun; a service that waits can wait. */
function urgency({ activity, findings, next, target }: ServiceStatus): number {
  if (findings.length > 0 || activity === 'failed' || activity === 'blocked') return 0;
  if (next === 'dbps run') return 1;
  if (target !== null) return 2;
  return activity === 'paused' ? 3 : 4;
}

function withoutFindings({ findings: _findings, ...rest }: ServiceStatus): Omit<ServiceStatus, 'findings'> {
  return rest;
}

function pick(
  entry: Omit<ServiceStatus, 'findings'>,
  fields: readonly string[] | undefined,
): StatusReport['services'][number] {
  if (fields === undefined) return entry;
  const unknown = fields.find((field) => !(field in entry));
  if (unknown !== undefined)
    throw new UsageError({
      code: 'DBPS_E103',
      message: `there is no field "${unknown}" (--fields)`,
      hint: `the fields are ${Object.keys(entry).join(', ')}`,
    });
  const { service, ...rest } = entry;
  return {
    service,
    ...Object.fromEntries(Object.entries(rest).filter(([key]) => fields.includes(key))),
  };
}

/** Draws on the terminal, prints a block or writes a line each time. Ctrl-C is how it ends, and the last look is the result. */
async function watch(
  context: Context,
  service: string | undefined,
  flags: StatusFlags,
): Promise<Outcome<StatusReport>> {
  const every = flags.interval === undefined ? 2000 : await context.duration('--interval', flags.interval);
  const { stdout } = context.streams;
  const style = await context.stdoutStyle();
  const isText =
    context.flags.json !== true &&
    (context.flags.format?.[0] ?? context.env['DBPS_FORMAT'] ?? 'text') === 'text';
  if (!isText && context.writeLine === null)
    throw new UsageError({
      code: 'DBPS_E102',
      message: '--watch prints again and again, which this format cannot',
      hint: 'dbps status --watch --format ndjson, or without --format',
    });
  for (let last: Outcome<StatusReport> | null = null; ;) {
    try {
      last = await look(context, service, flags);
    } catch (error) {
      if (!context.signal.aborted || last === null) throw error;
    }
    if (context.signal.aborted) return ended(last);
    const at = new Date().toISOString();
    if (context.writeLine !== null) context.writeLine({ type: 'status', at, result: last.result });
    else if (stdout.isTTY) stdout.write(`\u001B[2J\u001B[H${printable(last.text(style))}\n`);
    else stdout.write(`${at.slice(0, 19)}Z\n${printable(last.text(style))}\n\n`);
    await sleep(every, undefined, { signal: context.signal }).catch(() => undefined);
    if (context.signal.aborted) return ended(last);
  }
}

/** What there was to see was printed already. */
function ended(last: Outcome<StatusReport>): Outcome<StatusReport> {
  return { ...last, endsWithSignal: true, text: () => '' };
}
