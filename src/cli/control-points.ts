/**
 * Named instants of the real run at which a test stops, delays or kills this process: `DBPS_CONTROL_POINT=copy.chunk-written#3=kill`, several
 * with commas. Actions: `kill` (SIGKILL to itself), `stop` (as on SIGTERM), `wait:<ms>`, `fail`. `#n`: only the n-th time. Each point reached is told on
 * stderr as `control point <name>`, so that a test can wait for it. Nothing happens without the variable.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../model/errors.js';

interface Rule {
  readonly point: string;
  readonly nth: number | null;
  readonly action: string;
}

export function controlPoints(
  text: string | undefined,
  tell: (line: string) => void,
): ((point: string) => Promise<void>) | undefined {
  if (text === undefined || text === '') return undefined;
  const rules = text.split(',').map(parseRule);
  const reached = new Map<string, number>();
  return async (point) => {
    const times = (reached.get(point) ?? 0) + 1;
    reached.set(point, times);
    for (const rule of rules) {
      if (rule.point !== point || (rule.nth !== null && rule.nth !== times)) continue;
      tell(`control point ${point}\n`);
      await act(rule);
    }
  };
}

function parseRule(text: string): Rule {
  const match = /^([\w.-]+)(?:#(\d+))?=(kill|stop|fail|wait:\d+)$/.exec(text.trim());
  if (match === null)
    throw new UsageError({
      code: 'DBPS_E103',
      message: `"${text}" is no control point (DBPS_CONTROL_POINT)`,
      hint: 'write step.instant=kill, =stop, =fail or =wait:500, with #3 for the third time',
    });
  return {
    point: match[1] as string,
    nth: match[2] === undefined ? null : Number(match[2]),
    action: match[3] as string,
  };
}

async function act({ action, point }: Rule): Promise<void> {
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  else if (action === 'stop') process.kill(process.pid, 'SIGTERM');
  else if (action === 'fail') throw new Error(`failed on purpose at ${point}`);
  // A signal is delivered later; whoever asked to be stopped here shall not run on meanwhile.
  await sleep(
    action.startsWith('wait:') ? Number(action.slice('wait:'.length)) : action === 'kill' ? 60_000 : 50,
  );
}
