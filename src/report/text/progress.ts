/** Lines about work under way: state and time left are two things, and what is waited for is a third. */
import type { DbpsEvent, ProgressEvent } from '../../model/events.js';
import { printable } from '../printable.js';
import type { Style } from '../style.js';
import { formatCount, formatDuration } from './format.js';
import { table } from './table.js';

export function eventLine(event: DbpsEvent): string {
  return printable(lineOf(event));
}

function lineOf(event: DbpsEvent): string {
  switch (event.type) {
    case 'note':
      return event.service === undefined ? event.message : `${event.service} ${event.message}`;
    case 'phase':
      return `${event.service} phase ${event.from} -> ${event.to}`;
    case 'step':
      return `${event.service} step ${event.step} ${event.state}${event.detail === undefined ? '' : `: ${event.detail}`}`;
    case 'waiting':
      return `${event.service} waits for ${event.for}: ${event.detail}`;
    case 'finding':
      return `${event.finding.severity} ${event.finding.code} ${event.finding.subject}: ${event.finding.message}`;
    case 'progress':
      return progressLine(event);
  }
}

function progressLine(event: ProgressEvent): string {
  const parts = [event.service, event.activity];
  if (event.relation !== undefined) parts.push(event.relation);
  parts.push(
    event.totalRows === null
      ? `${formatCount(event.rows)} ${event.unit ?? 'rows'}`
      : `${formatCount(event.rows)}/~${formatCount(event.totalRows)} rows ${percent(event)}`,
  );
  parts.push(`${formatCount(event.rowsPerSecond)}/s`, `eta=${eta(event)}`);
  if (event.lagMs !== undefined) parts.push(`lag=${formatDuration(event.lagMs)}`);
  return parts.join(' ');
}

function percent(event: ProgressEvent): string {
  return event.totalRows === null || event.totalRows === 0
    ? '-'
    : `${Math.min(100, Math.floor((100 * event.rows) / event.totalRows))}%`;
}

function eta(event: ProgressEvent): string {
  return event.etaMs === null ? '-' : formatDuration(event.etaMs).replaceAll(' ', '');
}

export function progressBlock(
  events: readonly ProgressEvent[],
  waiting: string | null,
  style: Style,
): string {
  const rows = events.map((event) => [
    event.activity,
    event.relation ?? event.service,
    formatCount(event.rows),
    event.totalRows === null ? '' : `of ~${formatCount(event.totalRows)}`,
    percent(event),
    `${formatCount(event.rowsPerSecond)} ${event.unit ?? 'rows'}/s`,
    eta(event),
  ]);
  const block = rows.length === 0 ? '' : table(rows, { right: [2, 4, 5, 6] });
  return printable(
    [block, waiting === null ? '' : style.yellow(waiting)].filter((part) => part !== '').join('\n'),
  );
}
