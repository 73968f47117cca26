/**
 * What long work shows while it runs. On a terminal a block redrawn at most four times a second; otherwise one plain line at the
 * start, at each change of state, every 30 seconds and at the end; with --format ndjson each event as a line on stdout.
 */
import type { DbpsEvent, EventSink, ProgressEvent } from '../model/events.js';
import { toJson } from '../report/envelope.js';
import type { Style } from '../report/style.js';
import { eventLine, progressBlock } from '../report/text/progress.js';

export interface Progress {
  readonly sink: EventSink;
  /** Leaves the terminal as it should be: called before the result or an error is printed. */
  finish(): void;
}

export const SILENT: Progress = { sink: () => undefined, finish: () => undefined };

export function ndjsonProgress(write: (line: string) => void): Progress {
  return { sink: (event) => write(`${toJson(event)}\n`), finish: () => undefined };
}

const LINE_EVERY_MS = 30_000;
const DRAW_EVERY_MS = 250;

const keyOf = (event: ProgressEvent): string => `${event.service}/${event.activity}/${event.relation ?? ''}`;

/** Lines for logs: dated, one fact each. */
export function lineProgress(write: (line: string) => void, now: () => number): Progress {
  const shown = new Map<string, { at: number; event: ProgressEvent }>();
  const last = new Map<string, ProgressEvent>();
  const waiting = new Map<string, { line: string; at: number }>();
  const told = new Set<string>();
  const print = (event: DbpsEvent) => {
    // How far it came before its end, not after.
    if (event.type === 'phase' || (event.type === 'step' && event.state !== 'started')) flush();
    const line = eventLine(event);
    // Both databases may have the same to say.
    if (event.type === 'finding' && told.has(line)) return;
    told.add(line);
    write(`${new Date(now()).toISOString().slice(0, 19)}Z ${line}\n`);
  };
  const flush = () => {
    const open = [...last].filter(([key, event]) => shown.get(key)?.event !== event);
    last.clear();
    shown.clear();
    for (const [, event] of open) print(event);
  };
  return {
    sink: (event) => {
      if (event.type === 'waiting') {
        // The same wait again and again is one line, now and then.
        const before = waiting.get(event.service);
        const line = `${event.for} ${event.detail}`;
        if (before?.line === line && now() - before.at < LINE_EVERY_MS) return;
        waiting.set(event.service, { line, at: now() });
        return print(event);
      }
      if (event.type !== 'progress') return print(event);
      const key = keyOf(event);
      last.set(key, event);
      const before = shown.get(key);
      if (before !== undefined && now() - before.at < LINE_EVERY_MS) return;
      shown.set(key, { at: now(), event });
      print(event);
    },
    finish: flush,
  };
}

/** A block under the notes: one line a relation under way. */
export async function liveProgress(
  stream: NodeJS.WriteStream,
  style: Style,
  now: () => number,
): Promise<Progress> {
  const { createLogUpdate } = await import('log-update');
  const block = createLogUpdate(stream);
  const current = new Map<string, ProgressEvent>();
  let waiting: string | null = null;
  let drawnAt = 0;
  const told = new Set<string>();
  const draw = () => {
    drawnAt = now();
    block(progressBlock([...current.values()], waiting, style));
  };
  return {
    sink: (event) => {
      if (event.type === 'progress') {
        current.set(keyOf(event), event);
        waiting = null;
        if (now() - drawnAt >= DRAW_EVERY_MS) draw();
        return;
      }
      if (event.type === 'waiting') {
        waiting = `${event.service} waits for ${event.for}: ${event.detail}`;
        if (now() - drawnAt >= DRAW_EVERY_MS) draw();
        return;
      }
      const line = eventLine(event);
      if (event.type === 'finding' && told.has(line)) return;
      told.add(line);
      block.clear();
      stream.write(`${line}\n`);
      if (event.type === 'phase' || (event.type === 'step' && event.state !== 'started')) {
        current.clear();
        waiting = null;
      }
      if (current.size > 0) draw();
    },
    finish: () => block.clear(),
  };
}
