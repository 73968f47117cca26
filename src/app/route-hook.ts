/** The user's own switch: a command that gets the route on stdin, or a URL that gets it as JSON. */
import { spawn } from 'node:child_process';
import type { Config, HookConfig } from '../config/config.js';
import type { RouteHook } from '../migration/step-context.js';
import type { Route } from '../state/state-store.js';

export function routeHook(config: Config): RouteHook | null {
  const hook = config.migration.routeHook;
  if (hook === null) return null;
  return {
    onFailure: hook.onFailure,
    run: (route, signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(hook.timeoutMs)]);
      const payload = JSON.stringify(describeRoute(route));
      return hook.kind === 'command' ? runCommand(hook, payload, limited) : callUrl(hook, payload, limited);
    },
  };
}

/** Keys are part of the interface: docs/hooks.md. */
function describeRoute(route: Route) {
  const { service, owner, readShare, readRelations, epoch, revision } = route;
  return { event: 'route', service, owner, readShare, readRelations, epoch, revision };
}

async function runCommand(
  hook: HookConfig & { readonly kind: 'command' },
  payload: string,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(hook.command, {
      shell: true,
      cwd: hook.directory,
      stdio: ['pipe', 'ignore', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => {
      stderr = (stderr + data.toString()).slice(-500);
    });
    // A command that does not read its input is not wrong.
    child.stdin.on('error', () => undefined);
    child.on('error', (error) =>
      reject(signal.aborted ? new Error(`it did not end within ${hook.timeoutMs} ms`) : error),
    );
    child.on('close', (code) => {
      if (code === 0) resolve();
      else
        reject(new Error(`it ended with ${code ?? 'a signal'}${stderr === '' ? '' : `: ${stderr.trim()}`}`));
    });
    child.stdin.end(payload);
  });
}

async function callUrl(
  hook: HookConfig & { readonly kind: 'url' },
  payload: string,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(hook.url(), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: payload,
    signal,
  });
  await response.body?.cancel();
  // Never the URL: it may hold a secret.
  if (!response.ok) throw new Error(`it answered ${response.status}`);
}
