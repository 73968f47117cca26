/** The way of this plan, command by command, with what to look at before and how to go back. */
import type { Finding } from '../model/finding.js';
import { TRANSITIONS, type Phase } from '../model/phases.js';
import type { Plan, ServicePlan } from '../model/plan.js';

const summary = (from: Phase, to: Phase): string =>
  TRANSITIONS.find((transition) => transition.from === from && transition.to === to)?.summary ?? '';

const findingLine = (finding: Finding): string =>
  `- **${finding.code}** ${finding.subject}: ${finding.message}. ${finding.remedy}`;

const commands = (...lines: readonly string[]): readonly string[] => ['', '```sh', ...lines, '```'];

/** Copies go as far as dual-write, before their reader's reads move. */
function copiesSection(service: ServicePlan, reader: string): readonly string[] {
  const { name, copies } = service;
  return [
    '',
    `## ${service.order}. ${name}`,
    '',
    `Read-only copies for ${reader} of ${service.relations.map((id) => `${id} (owned by ${copies?.owners[id] ?? 'nobody'})`).join(', ')}, in schema ${Object.values(service.schemaMap).join(', ')} of its database. They must be there before the reads of ${reader} move, stay in dual-write, and are kept current through the shared database: their owner is not decommissioned while they exist.`,
    ...commands(
      `dbps migrate advance ${name} --to provisioned --yes`,
      `dbps migrate advance ${name} --to dual-write --yes`,
      `dbps verify ${name} --mode full`,
    ),
    '',
    `Let roles that read without naming the schema find it: \`ALTER ROLE <role> SET search_path = <its schemas>, ${Object.values(service.schemaMap).join(', ')};\`. Taking them away:`,
    ...commands(`dbps migrate abort ${name} --yes`),
  ];
}

function serviceSection(plan: Plan, service: ServicePlan): readonly string[] {
  if (service.copies !== undefined) return copiesSection(service, service.copies.reader);
  const { name } = service;
  const own = plan.findings.filter((finding) => finding.service === name);
  const blocking = own.filter((finding) => finding.severity === 'error');
  const warnings = own.filter((finding) => finding.severity === 'warning');
  const out = service.detached.map(
    (crossing) => `- ${crossing.label} (${crossing.parentService ?? 'stays in the shared database'})`,
  );
  const into = plan.crossings
    .filter((crossing) => crossing.parentService === name)
    .map((crossing) => `- ${crossing.label} (from ${crossing.childService ?? 'the shared database'})`);
  const step = (title: string, from: Phase, to: Phase, ...lines: readonly string[]) => [
    '',
    `### ${title}`,
    '',
    `${summary(from, to)}.`,
    ...commands(...lines),
  ];
  return [
    '',
    `## ${service.order}. ${name}`,
    '',
    `${service.relations.length} relations: ${service.relations.join(', ')}.`,
    ...(blocking.length > 0 ? ['', '**To be mended first:**', '', ...blocking.map(findingLine)] : []),
    ...(warnings.length > 0 ? ['', 'To be decided:', '', ...warnings.map(findingLine)] : []),
    ...(out.length > 0
      ? ['', 'References of this service that end elsewhere, taken away before the writes move:', '', ...out]
      : []),
    ...(into.length > 0 ? ['', 'References of others to this service:', '', ...into] : []),
    ...step(
      'Provision',
      'planned',
      'provisioned',
      `dbps migrate advance ${name} --to provisioned --dry-run`,
      `dbps migrate advance ${name} --to provisioned --yes`,
    ),
    ...step(
      'Dual-write',
      'provisioned',
      'dual-write',
      `dbps migrate advance ${name} --to dual-write --yes`,
      `dbps status ${name} --watch`,
      `dbps verify ${name} --mode full`,
    ),
    ...step(
      'Move the reads',
      'dual-write',
      'read-cutover',
      `dbps migrate advance ${name} --to read-cutover --reads 10 --yes`,
      `dbps migrate advance ${name} --to read-cutover --reads 50 --yes`,
      `dbps migrate advance ${name} --to read-cutover --reads 100 --yes`,
    ),
    ...step(
      'Move the writes',
      'read-cutover',
      'write-cutover',
      `dbps migrate advance ${name} --to write-cutover --dry-run`,
      `dbps migrate advance ${name} --to write-cutover --yes`,
    ),
    '',
    'Writers wait for a moment and see no error. The way back, with everything written since:',
    ...commands(`dbps rollback ${name} --yes`),
    ...step(
      'Soak',
      'write-cutover',
      'sync',
      `dbps migrate advance ${name} --to sync --yes`,
      `dbps verify ${name} --mode full`,
    ),
    ...step(
      'Decommission',
      'sync',
      'decommissioned',
      `dbps migrate advance ${name} --to decommissioned --dry-run`,
      `dbps migrate advance ${name} --to decommissioned --confirm ${name}@${plan.hash}.e<epoch>`,
    ),
    '',
    'The dry run prints the token with the epoch in it. From here there is no way back.',
  ];
}

export function runbook(plan: Plan): string {
  const own = plan.services.filter((service) => service.copies === undefined);
  const general = plan.findings.filter(
    (finding) => finding.service === undefined && finding.severity !== 'note',
  );
  return [
    `# Runbook of plan ${plan.hash}`,
    '',
    `${own.length} services leave the shared database one after the other: ${own.map((service) => service.name).join(', ')}.`,
    'Owners of keys go before those who refer to them. Each service may rest in any phase as long as you like.',
    '',
    '## Before the first',
    ...(general.length > 0 ? ['', 'To be decided for the whole:', '', ...general.map(findingLine)] : []),
    ...commands('dbps doctor', 'dbps plan diff --exit-code', 'dbps run'),
    '',
    '`dbps run` stays up for the whole move (a service unit, a container); it carries the changes, and the commands below file their requests to it.',
    ...plan.services.flatMap((service) => serviceSection(plan, service)),
    '',
    '## After the last',
    ...commands('dbps status', 'dbps doctor'),
  ].join('\n');
}
