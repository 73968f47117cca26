import type { Plan, ServicePlan } from '../../model/plan.js';
import type { Style } from '../style.js';
import { countFindings, findingsText } from './findings.js';
import { formatBytes, formatEstimate, plural } from './format.js';
import { table, wrap } from './table.js';

export interface PlanTextOptions {
  /** Redacted URL of each service's database, where one is configured. */
  readonly targets: Readonly<Record<string, string>>;
  readonly soak: string;
  readonly fenceTimeout: string;
}

export function planText(plan: Plan, options: PlanTextOptions, style: Style): string {
  const all = plan.services.toSorted((a, b) => a.order - b.order);
  const services = all.filter((service) => service.copies === undefined);
  const total = (pick: (service: ServicePlan) => number) =>
    services.reduce((sum, service) => sum + pick(service), 0);
  const blocks = all.map((service) =>
    service.copies === undefined
      ? serviceBlock(service, options, style)
      : copiesBlock(service, service.copies, options, style),
  );
  const facts = [
    ['Order', orderText(plan, services)],
    [
      'Writes',
      `wait during the write cutover, at most ${options.fenceTimeout} (fenceTimeout); no client sees an error before its commit`,
    ],
  ];
  return [
    `Plan ${style.bold(plan.hash)}   ${plan.source.product}   ${plural(services.length, 'service')}`,
    '',
    blocks.join('\n\n'),
    '',
    facts
      .map(([name, text]) => `${style.dim((name ?? '').padEnd(9))} ${wrap(text ?? '', 88, ' '.repeat(10))}`)
      .join('\n'),
    ...(plan.findings.length === 0
      ? []
      : ['', findingsText(plan.findings, style), '', countFindings(plan.findings)]),
    '',
    [
      `${plural(
        total((service) => service.relations.length),
        'table',
      )} to create`,
      `${plural(plan.crossings.length, 'reference')} to detach`,
      `about ${formatEstimate(total((service) => service.estimatedRows))} rows to copy`,
      `${plural(
        total((service) => service.relations.length),
        'table',
      )} to drop later`,
    ].join(', '),
  ].join('\n');
}

function serviceBlock(service: ServicePlan, options: PlanTextOptions, style: Style): string {
  const { schema } = service;
  const tables = schema.relations.filter(
    (relation) => relation.kind === 'table' || relation.kind === 'partitioned',
  );
  const indexes = tables.reduce(
    (sum, relation) => sum + relation.indexes.filter((index) => !index.isInherited).length,
    0,
  );
  const keys = tables.reduce(
    (sum, relation) => sum + relation.foreignKeys.filter((key) => !key.isInherited).length,
    0,
  );
  const others = [
    ...count(schema.relations.filter((relation) => relation.kind === 'view').length, 'view'),
    ...count(schema.types.length, 'type'),
    ...count(schema.routines.length, 'routine'),
  ];
  const into = service.detached.filter((reference) => reference.parentService === service.name).length;
  const rows: [string, string, string][] = [
    [
      '+ create',
      [
        plural(tables.length, 'table'),
        plural(indexes, 'index', 'indexes'),
        plural(keys, 'foreign key'),
        ...others,
      ].join(', '),
      '',
    ],
    ...(service.detached.length === 0
      ? []
      : [
          [
            '~ detach',
            plural(service.detached.length, 'reference'),
            `${into} in, ${service.detached.length - into} out; become plain columns, checked by verify`,
          ] as [string, string, string],
        ]),
    ['> copy', `${formatEstimate(service.estimatedRows)} rows, ${formatBytes(service.bytes)}`, ''],
    [
      '- drop',
      plural(service.relations.length, 'source table'),
      `at decommission only, after ${options.soak} of soak`,
    ],
  ];
  const target = options.targets[service.name] ?? `${service.targetEngine}, no target in dbps.yaml yet`;
  return `${style.bold(service.name)}   ${plural(service.relations.length, 'relation')} -> ${target}\n${table(rows, { indent: '  ' })}`;
}

function copiesBlock(
  service: ServicePlan,
  copies: NonNullable<ServicePlan['copies']>,
  options: PlanTextOptions,
  style: Style,
): string {
  const target = options.targets[copies.reader] ?? `${service.targetEngine}, no target in dbps.yaml yet`;
  const rows: [string, string, string][] = service.relations.map((id) => [
    '> copy',
    id,
    `owned by ${copies.owners[id] ?? 'nobody'}, read-only in schema ${Object.values(service.schemaMap).join(', ')}`,
  ]);
  return `${style.bold(service.name)}   ${plural(service.relations.length, 'shared relation')} for ${copies.reader} -> ${target}\n${table(rows, { indent: '  ' })}`;
}

function count(n: number, what: string): readonly string[] {
  return n === 0 ? [] : [plural(n, what)];
}

function orderText(plan: Plan, services: readonly ServicePlan[]): string {
  const names = services.map(({ name }) => name);
  if (names.length < 2) return names.join('');
  const pairs = new Set(
    plan.crossings.flatMap(({ childService, parentService }) =>
      childService !== null && parentService !== null && childService !== parentService
        ? [`${childService} refers to ${parentService}`]
        : [],
    ),
  );
  const why = [...pairs].slice(0, 4).join(', ');
  return `${names.join(', then ')}${why === '' ? '' : ` (${why}${pairs.size > 4 ? ', …' : ''})`}`;
}
