/** Named instants of a real run at which a test kills it, delays it, or writes down that it passed. */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Dies at the first instant that is not among `seen`, and says its name on stdout with its last breath: so a walk comes through every
 * instant of a transition without knowing them beforehand; or through every n-th.
 */
export function killAtNew(seen: readonly string[], every = 1): (point: string) => Promise<void> {
  const known = new Set(seen);
  const passed: string[] = [];
  return async (point) => {
    if (known.has(point)) return;
    known.add(point);
    if (passed.length + 1 < every) {
      passed.push(point);
      return;
    }
    fs.writeSync(1, `${JSON.stringify({ killedAt: point, passed })}\n`);
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => undefined);
  };
}

/** `copy.chunk-written:kill`, `copy.planned:delay=200`; the first time the run passes there. */
export function controlPoint(spec: string | undefined): (point: string) => Promise<void> {
  if (spec === undefined || spec === '') return async () => undefined;
  const [, wanted, action, ms] = /^(.+):(kill|stop|delay)(?:=(\d+))?$/.exec(spec) ?? [];
  if (wanted === undefined) throw new RangeError(`${spec} is not a control point`);
  let isDone = false;
  return async (point) => {
    if (isDone || point !== wanted) return;
    isDone = true;
    if (action === 'kill') {
      process.kill(process.pid, 'SIGKILL');
      // The signal is on its way: nothing more may happen here.
      await new Promise(() => undefined);
    }
    // Until SIGCONT: nothing of the process runs, its heart does not beat.
    if (action === 'stop') process.kill(process.pid, 'SIGSTOP');
    else await sleep(Number(ms));
  };
}
