/** Named instants of a real run at which a test kills it, delays it, or writes down that it passed. */
import { setTimeout as sleep } from 'node:timers/promises';

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

export function recordPoints(): { readonly passed: string[]; readonly at: (point: string) => Promise<void> } {
  const passed: string[] = [];
  return {
    passed,
    at: async (point) => {
      if (!passed.includes(point)) passed.push(point);
    },
  };
}
