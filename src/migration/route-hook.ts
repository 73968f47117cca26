/**
 * The user's own switch, for applications that do not use dbps/router: a command that gets the route on its standard input, or a URL that it is
 * posted to, both as one JSON object. Called through migration/publish-route.ts, which retries.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Route } from '../state/state-store.js';
import type { RouteHook } from './step-context.js';

export type RouteHookOptions = {
  readonly timeoutMs: number;
  readonly onFailure: 'block' | 'warn';
} & (
  | { readonly kind: 'command'; readonly command: string; readonly directory: string }
  /** A function: it may hold a token, and is revealed only to be called. */
  | { readonly kind: 'url'; readonly url: () => string }
);

/** What a hook reads. Additions are minor, removals major. */
export interface RoutePayload {
  readonly format: '1.0';
  readonly event: 'route';
  readonly service: string;
  /** Whose database takes the writes. */
  readonly owner: 'legacy' | 'service';
  /** 0..100: share of reads for the service database while legacy owns. */
  readonly readShare: number;
  readonly readRelations: readonly string[];
  readonly epoch: number;
  readonly revision: number;
}

const MOST_OUTPUT = 2_000;

/** @param environment what a command is run with. Default: the process's own. */
export function createRouteHook(
  options: RouteHookOptions,
  environment?: Readonly<Record<string, string | undefined>>,
): RouteHook {
  return {
    onFailure: options.onFailure,
    run: async (route, signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
      const body = JSON.stringify(payloadOf(route));
      if (options.kind === 'url') await post(options.url(), body, limited, options.timeoutMs);
      else await execute({ ...options, ...(environment !== undefined && { environment }) }, body, limited);
    },
  };
}

export function payloadOf(route: Route): RoutePayload {
  return {
    format: '1.0',
    event: 'route',
    service: route.service,
    owner: route.owner,
    readShare: route.readShare,
    readRelations: route.readRelations,
    epoch: route.epoch,
    revision: route.revision,
  };
}

async function post(url: string, body: string, signal: AbortSignal, timeoutMs: number): Promise<void> {
  // The query may hold a token: only the origin is ever named.
  const { origin } = new URL(url);
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal,
      redirect: 'error',
    });
  } catch (error) {
    throw new Error(
      `${origin} ${isTimeout(error) ? `did not answer within ${timeoutMs} ms` : 'could not be reached'}`,
      {
        cause: error,
      },
    );
  }
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${origin} answered ${response.status}`);
}

interface Command {
  readonly command: string;
  readonly directory: string;
  readonly timeoutMs: number;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A process group of its own, so that what the command started ends with it. */
async function execute(options: Command, body: string, signal: AbortSignal): Promise<void> {
  const child = spawn(options.command, {
    shell: true,
    detached: true,
    cwd: options.directory,
    ...(options.environment !== undefined && { env: options.environment }),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const stop = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  signal.addEventListener('abort', stop, { once: true });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-MOST_OUTPUT)));
  // A command need not read what it is told.
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${body}\n`);
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (signal.aborted) {
      throw new Error(
        isTimeout(signal.reason)
          ? `the command did not end within ${options.timeoutMs} ms`
          : 'the command was stopped',
      );
    }
    if (code !== 0)
      throw new Error(
        `the command ended with ${code ?? killedBy ?? 'nothing'}${errors === '' ? '' : `: ${errors.trim()}`}`,
      );
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}
