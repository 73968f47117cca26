/** Phase, what is happening and where traffic goes are three separate facts, told in this order. */
import { PHASES, type Activity, type Phase } from '../../model/phases.js';
import type { Style } from '../style.js';
import { formatBytes, formatCount, formatDuration } from './format.js';
import { table } from './table.js';

/** What app/status.ts returns, as far as it is shown. */
export interface ServiceReport {
  readonly service: string;
  readonly phase: Phase;
  readonly target: Phase | null;
  readonly activity: Activity;
  readonly reason: string | null;
  readonly planHash: string | null;
  readonly epoch: number;
  readonly runner: {
    readonly holder: string;
    readonly host: string;
    readonly heartbeatAt: string;
    readonly expiresAt: string;
    readonly isLive: boolean;
  } | null;
  readonly traffic: {
    readonly owner: 'legacy' | 'service';
    readonly readShare: number;
    readonly readRelations: readonly string[];
    readonly legacyFence: string;
    readonly serviceFence: string;
  };
  readonly capture: { readonly forward: StreamReport | null; readonly reverse: StreamReport | null };
  readonly progress: {
    readonly step: string | null;
    readonly stepIndex: number;
    readonly steps: number;
    readonly waitingFor: string | null;
    readonly rogueWrites: number;
  } | null;
  readonly relations: readonly {
    readonly relation: string;
    readonly state: 'waiting' | 'copying' | 'copied';
    readonly rows: number;
    readonly totalRows: number | null;
    readonly bytes: number;
    readonly totalBytes: number | null;
  }[];
  readonly unverifiedRows: number | null;
  readonly soak: { readonly startedAt: string; readonly endsAt: string } | null;
  readonly unknown: readonly string[];
}

interface StreamReport {
  readonly name: string;
  readonly isActive: boolean;
  readonly isLost: boolean;
  readonly lagBytes: number | null;
  readonly lagMs: number | null;
  readonly retainedBytes: number | null;
  readonly mode: string | null;
  readonly error: string | null;
}

export function statusListText(services: readonly ServiceReport[], style: Style): string {
  if (services.length === 0) return 'dbps.yaml has no services yet';
  const rows = services.map((service) => [
    service.service,
    service.target === null ? service.phase : `${service.phase} -> ${service.target}`,
    activityOf(service),
    `${service.traffic.readShare}% service`,
    service.traffic.owner,
    lagOf(service),
    service.runner === null
      ? '-'
      : service.runner.isLive
        ? `${service.runner.holder} on ${service.runner.host}`
        : 'expired',
  ]);
  const text = table([['Service', 'phase', 'activity', 'reads', 'writes', 'lag', 'runner'], ...rows]);
  const reasons = services.flatMap((service) =>
    service.reason === null ? [] : [`${service.service}: ${service.reason}`],
  );
  return [text, ...(reasons.length === 0 ? [] : ['', ...reasons.map((reason) => style.yellow(reason))])].join(
    '\n',
  );
}

function activityOf(service: ServiceReport): string {
  return service.activity === 'blocked' || service.activity === 'failed'
    ? service.activity.toUpperCase()
    : service.activity;
}

function lagOf({ capture, traffic }: ServiceReport): string {
  const stream = traffic.owner === 'legacy' ? capture.forward : capture.reverse;
  if (stream === null) return '-';
  const parts = [
    ...(stream.lagMs === null ? [] : [formatDuration(stream.lagMs)]),
    ...(stream.lagBytes === null ? [] : [formatBytes(stream.lagBytes)]),
  ];
  return parts.length === 0 ? '-' : parts.join(', ');
}

/** @param now for how long ago a heartbeat was. */
export function statusText(service: ServiceReport, now: number, style: Style): string {
  const heading = [
    style.bold(service.service),
    service.target === null ? service.phase : `${service.phase} -> ${service.target}`,
    service.activity === 'blocked' || service.activity === 'failed'
      ? style.red(activityOf(service))
      : service.activity,
    ...(service.progress?.step == null
      ? []
      : [`${service.progress.step}, ${service.progress.stepIndex + 1} of ${service.progress.steps} steps`]),
    `epoch ${service.epoch}`,
    ...(service.planHash === null ? [] : [`plan ${service.planHash}`]),
  ].join('   ');
  const lines = [heading, '', phaseLine(service), ''];
  const add = (name: string, text: string) => lines.push(`${style.dim(name.padEnd(9))} ${text}`);
  if (service.reason !== null) add('Reason', style.yellow(service.reason));
  const { traffic, capture } = service;
  add(
    'Traffic',
    `reads ${traffic.readShare === 0 && traffic.readRelations.length === 0 ? 'legacy' : traffic.readShare === 100 ? 'service' : `${traffic.readShare}% service`}${
      traffic.readRelations.length === 0 ? '' : ` and ${traffic.readRelations.join(', ')}`
    }   writes ${traffic.owner}   fence legacy ${traffic.legacyFence}, service ${traffic.serviceFence}`,
  );
  for (const direction of ['forward', 'reverse'] as const) {
    const stream = capture[direction];
    if (stream !== null) add(direction === 'forward' ? 'Forward' : 'Reverse', streamLine(stream, style));
  }
  if (service.progress?.waitingFor != null) add('Waits for', service.progress.waitingFor);
  if (service.progress !== null && service.progress.rogueWrites > 0)
    add(
      'Rogue',
      style.red(
        `${formatCount(service.progress.rogueWrites)} writes reached the side that does not own them`,
      ),
    );
  if (service.unverifiedRows !== null && service.unverifiedRows > 0)
    add('Changed', `${formatCount(service.unverifiedRows)} rows since they were last verified`);
  if (service.soak !== null) add('Soak', `since ${service.soak.startedAt}, until ${service.soak.endsAt}`);
  if (service.runner !== null)
    add(
      'Runner',
      `${service.runner.holder} on ${service.runner.host}, heartbeat ${formatDuration(Math.max(0, now - Date.parse(service.runner.heartbeatAt)))} ago, ${
        service.runner.isLive ? `lease until ${service.runner.expiresAt}` : style.yellow('lease expired')
      }`,
    );
  for (const unknown of service.unknown) add('Unknown', style.yellow(unknown));
  if (service.relations.length > 0) lines.push('', relationsTable(service));
  return lines.join('\n');
}

function streamLine(stream: StreamReport, style: Style): string {
  return [
    stream.isLost
      ? style.red('LOST')
      : stream.isActive
        ? `streaming${stream.mode === null ? '' : `, ${stream.mode}`}`
        : 'nobody reads it',
    ...(stream.lagMs === null ? [] : [`lag ${formatDuration(stream.lagMs)}`]),
    ...(stream.lagBytes === null ? [] : [`${formatBytes(stream.lagBytes)} behind`]),
    `${stream.name}${stream.retainedBytes === null ? '' : ` keeps ${formatBytes(stream.retainedBytes)} of log`}`,
    ...(stream.error === null ? [] : [style.red(stream.error)]),
  ].join('   ');
}

/** planned --- provisioned --> dual-write --- …, with what is done and where it is below. */
function phaseLine({ phase, target }: ServiceReport): string {
  const at = PHASES.indexOf(phase);
  let names = '';
  let marks = '';
  for (const [index, name] of PHASES.entries()) {
    if (index > 0)
      names += index - 1 === at && target !== null && PHASES.indexOf(target) > at ? ' --> ' : ' --- ';
    marks = marks.padEnd(names.length);
    marks += index < at ? 'done' : index === at ? 'here' : '';
    names += name;
  }
  return `${names}\n${marks}`.trimEnd();
}

function relationsTable(service: ServiceReport): string {
  const rows = service.relations.map((relation) => [
    relation.relation,
    relation.state,
    relation.state === 'copied' && relation.rows === 0 ? '' : formatCount(relation.rows),
    relation.totalRows === null
      ? ''
      : `of ${relation.state === 'copied' ? '' : '~'}${formatCount(relation.totalRows)}`,
    relation.bytes === 0 ? '' : formatBytes(relation.bytes),
  ]);
  const rowsDone = service.relations.reduce((sum, { rows: n }) => sum + n, 0);
  const total = service.relations.reduce((sum, { totalRows }) => sum + (totalRows ?? 0), 0);
  const isDone = service.relations.every(({ state }) => state === 'copied');
  const percent = total === 0 ? '' : `${Math.min(100, Math.floor((100 * rowsDone) / total))}%`;
  return table(
    [
      ['Relation', 'state', 'rows', '', 'copied'],
      ...rows,
      [
        'Total',
        isDone ? '' : percent,
        formatCount(rowsDone),
        total === 0 ? '' : `of ${isDone ? '' : '~'}${formatCount(total)}`,
        '',
      ],
    ],
    { right: [2, 4] },
  );
}
