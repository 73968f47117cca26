/** What a team wants to know of the service it would get, one line a question: the same words in text, Markdown and HTML. */
import type { ConnectionBudget, ProposedService, ServiceUser, Verdict } from '../model/analysis.js';
import { formatBytes, formatCount, formatEstimate, plural } from './text/format.js';

export interface ProfileLine {
  readonly label: string;
  readonly text: string;
}

export const ADVICE: Readonly<Record<Verdict['advice'], string>> = {
  split: 'Split.',
  schemas: 'Keep one database, with schemas.',
  keep: 'Do not split.',
};

const MOST_PERSONAL = 8;
const MOST_NAMES = 8;

/** Questions that nothing is known about are left out. */
export function serviceProfile(
  service: ProposedService,
  { perService }: Pick<ConnectionBudget, 'perService'>,
): readonly ProfileLine[] {
  const { store, outage, users } = service;
  const line = (label: string, text: string): ProfileLine[] => (text === '' ? [] : [{ label, text }]);
  return [
    ...line('named', service.namedAfter),
    ...line('size', sizeOf(service)),
    ...line('writes', writesOf(service)),
    ...line('others call', names(service.publicRelations)),
    ...line('store', `${store.kind}: ${store.reason}`),
    ...line('used by', names(users.map(userText))),
    ...line('personal', personalOf(service)),
    ...line('seen by', service.personalData.length === 0 ? '' : seenBy(service)),
    ...line('pool', perService === null ? '' : `at most ${plural(perService, 'connection')}`),
    ...line(
      'when down',
      [
        outage.blocked.length === 0 ? 'nobody else stops' : `cannot write: ${names(outage.blocked)}`,
        ...(outage.degraded.length === 0 ? [] : [`shows less: ${names(outage.degraded)}`]),
        ...(outage.unaffected.length === 0 ? [] : [`goes on: ${names(outage.unaffected)}`]),
      ].join('; '),
    ),
  ];
}

function sizeOf({ relations, rows, bytes }: ProposedService): string {
  return [
    plural(relations.length, 'relation'),
    ...(rows === null ? [] : [`${formatEstimate(rows)} rows`]),
    ...(bytes === null ? [] : [formatBytes(bytes)]),
  ].join(', ');
}

function writesOf({ writes }: ProposedService): string {
  if (writes === null) return '';
  const counted = `${formatEstimate(writes.rows)} rows since the server counts`;
  return writes.perSecond === null ? counted : `${formatRate(writes.perSecond)}, ${counted}`;
}

/** Rows a second; for what is rare, a minute, an hour or a day. */
export function formatRate(perSecond: number): string {
  for (const [unit, seconds] of [
    ['s', 1],
    ['min', 60],
    ['h', 3600],
  ] as const)
    if (perSecond * seconds >= 1) {
      const rate = perSecond * seconds;
      return `${rate < 10 ? rate.toFixed(1) : formatCount(rate)} rows/${unit}`;
    }
  return perSecond === 0 ? 'no rows' : `${(perSecond * 86_400).toFixed(1)} rows/day`;
}

function personalOf({ personalData }: ProposedService): string {
  const shown = personalData
    .slice(0, MOST_PERSONAL)
    .map(({ relation, column, category }) => `${relation}.${column} (${category})`);
  return withMore(shown, personalData.length);
}

/** Today everybody who may read the shared database; by role where that is known. */
function seenBy({ seenBy: services, users }: ProposedService): string {
  const readers = users.filter(({ reads }) => reads).map(({ name }) => name);
  return [
    ...(services.length === 0 ? [] : [`${plural(services.length, 'other service')} in the shared database`]),
    ...(readers.length === 0 ? [] : [`roles ${names(readers)}`]),
  ].join('; ');
}

function userText({ name, reads, writes, isSeen }: ServiceUser): string {
  const may = [...(reads ? ['reads'] : []), ...(writes ? ['writes'] : [])].join(' and ');
  return isSeen ? `${name} (${may})` : `${name} (may: ${may})`;
}

const names = (list: readonly string[]): string => withMore(list.slice(0, MOST_NAMES), list.length);

const withMore = (shown: readonly string[], all: number): string =>
  `${shown.join(', ')}${all > shown.length ? ` and ${all - shown.length} more` : ''}`;

export function connectionsText(budget: ConnectionBudget, services: number): string | null {
  const { most, used, perService, pool, wanted, fits } = budget;
  if (most === null) return null;
  const now = used === null ? '' : `, ${used} in use now`;
  const each =
    perService === null ? '' : `; ${plural(services, 'service')} on this server: at most ${perService} each`;
  const asked =
    wanted === null
      ? ''
      : `; ${services} x ${pool ?? 0} wanted = ${wanted}: ${fits === true ? 'fits' : 'does not fit'}`;
  return `${formatCount(most)} connections${now}${each}${asked}`;
}
