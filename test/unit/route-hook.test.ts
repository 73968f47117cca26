import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRouteHook } from '../../src/migration/route-hook.js';

const ROUTE = {
  service: 'orders',
  owner: 'service',
  readShare: 100,
  readRelations: [],
  epoch: 3,
  revision: 7,
} as const;

let directory: string;
beforeAll(() => (directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-hook-'))));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const common = { timeoutMs: 5_000, onFailure: 'block' } as const;
const hook = (command: string, timeoutMs = 5_000) =>
  createRouteHook(
    { ...common, kind: 'command', command, directory, timeoutMs },
    { PATH: process.env['PATH'], WHERE: directory },
  );
const urlHook = (url: string) => createRouteHook({ ...common, kind: 'url', url: () => url }, {});
const never = new AbortController().signal;

test('a command gets the route on its standard input', async () => {
  await hook('cat > "$WHERE/payload.json"').run(ROUTE, never);
  expect(JSON.parse(fs.readFileSync(path.join(directory, 'payload.json'), 'utf8'))).toEqual({
    format: '1.0',
    event: 'route',
    ...ROUTE,
  });
});

test('a command that fails is told with what it said', async () => {
  await expect(hook('echo no such pool >&2; exit 3').run(ROUTE, never)).rejects.toThrow(
    'the command ended with 3: no such pool',
  );
});

test('a command that hangs ends with everything it started', async () => {
  const begun = performance.now();
  await expect(hook('sleep 60 & sleep 60', 200).run(ROUTE, never)).rejects.toThrow(
    'the command did not end within 200 ms',
  );
  expect(performance.now() - begun).toBeLessThan(30_000);
});

test('a command that does not read its input is no failure', async () => {
  await hook('true').run(ROUTE, never);
});

test('a URL is posted to; what it answers decides; its query is never shown', async () => {
  let status = 204;
  const bodies: string[] = [];
  const server = http.createServer((request, response) => {
    request.on('data', (data: Buffer) => bodies.push(data.toString()));
    request.on('end', () => response.writeHead(status).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=secret`;
  await urlHook(url).run(ROUTE, never);
  expect(JSON.parse(bodies.join(''))).toMatchObject({ service: 'orders', owner: 'service' });
  status = 503;
  const error: unknown = await urlHook(url)
    .run(ROUTE, never)
    .catch((e: unknown) => e);
  expect((error as Error).message).toMatch(/answered 503$/);
  expect((error as Error).message).not.toContain('secret');
  server.close();
});
