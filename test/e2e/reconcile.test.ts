/** `migrate reconcile` by the command line: look, decide for the owner, carry legacy's version over first, or leave it, which stops the way on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProject, type Envelope, type Project } from '../support/project.js';
import type { Running } from '../support/cli.js';

interface Write {
  readonly write: { readonly key: readonly string[] | null; readonly kind: string };
  readonly carrySql: string | null;
  readonly keepSql: string | null;
}

let project: Project;
let runner: Running;
const reconcile = (...more: string[]) => project.json(['migrate', 'reconcile', 'orders', ...more]);
const writesOf = (found: Envelope) => (found.result as { readonly writes: readonly Write[] }).writes;
const rows = async (place: Project['legacy'], ids: string) =>
  place.query(`SELECT id::int, note FROM orders WHERE id IN (${ids}) ORDER BY id`);

/** Past the fence, as its owner may; then until it has been found in the log. */
async function rogue(sql: string, expected: number): Promise<Envelope> {
  await project.legacy.query(
    `ALTER TABLE orders DISABLE TRIGGER dbps_fence; ${sql}; ALTER TABLE orders ENABLE TRIGGER dbps_fence`,
  );
  for (const deadline = Date.now() + 60_000; ; await sleep(200)) {
    const found = await reconcile();
    if (writesOf(found).length >= expected) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(found)}`);
  }
}

beforeAll(async () => {
  project = await createProject({
    sql: `CREATE TABLE orders (id bigint PRIMARY KEY, note text);
          INSERT INTO orders SELECT g, 'n' || g FROM generate_series(1, 50) g;`,
    services: { orders: ['orders'] },
  });
  expect((await project.run(['plan'])).code).toBe(0);
  for (const phase of ['provisioned', 'dual-write', 'read-cutover', 'write-cutover'])
    expect(await project.json(['migrate', 'advance', 'orders', '--to', phase, '--yes'])).toMatchObject({
      code: 0,
    });
  runner = project.start(['run']);
});
afterAll(async () => {
  runner.child.kill('SIGTERM');
  await runner.ended;
  await project.close();
});

test('nothing undecided: exit 0', async () => {
  expect(await reconcile()).toMatchObject({
    code: 0,
    ok: true,
    result: { writes: [], refusal: null },
    nextSteps: ['dbps status orders'],
  });
});

test('left undecided, each write is shown with both versions, exit 1, and the way on is refused', async () => {
  const found = await rogue(
    "UPDATE orders SET note = 'rogue' WHERE id IN (1, 2); DELETE FROM orders WHERE id = 3",
    3,
  );
  expect(found).toMatchObject({
    code: 1,
    findings: [1, 2, 3].map(() => ({ code: 'VRF501', remedy: 'dbps migrate reconcile orders' })),
    nextSteps: ['dbps migrate reconcile orders --keep-owner'],
  });
  expect((await project.run(['migrate', 'reconcile', 'orders'])).stdout).toMatch(
    /public\.orders \(1\).*update in legacy[^]*note = rogue[^]*3 undecided/,
  );
  expect(await project.json(['migrate', 'advance', 'orders', '--to', 'sync', '--yes'])).toMatchObject({
    code: 3,
    error: { code: 'DBPS_E345', hint: 'dbps migrate reconcile orders' },
  });
  expect(await project.json(['rollback', 'orders', '--yes'])).toMatchObject({
    code: 3,
    error: { code: 'DBPS_E345' },
  });
});

test('--dry-run says what keeping the owner’s rows would write to legacy, and writes nothing', async () => {
  const found = await reconcile('--keep-owner', '--dry-run');
  expect(found).toMatchObject({ code: 0, result: { dryRun: true, refusal: null } });
  expect(
    writesOf(found)
      .map(({ keepSql }) => keepSql)
      .join('\n'),
  ).toContain("'n1'");
  const text = (await project.run(['migrate', 'reconcile', 'orders', '--keep-owner', '--dry-run'])).stdout;
  expect(text).toMatch(/^Would settle 3 writes[^]*INSERT INTO[^]*Nothing was changed\./);
  expect(await rows(project.legacy, '1, 2, 3')).toEqual([
    { id: 1, note: 'rogue' },
    { id: 2, note: 'rogue' },
  ]);
  expect(writesOf(await reconcile())).toHaveLength(3);
});

test('without a terminal the decision is asked for by its flag', async () => {
  expect(await reconcile('--keep-owner')).toMatchObject({ code: 2, error: { code: 'DBPS_E110' } });
});

test('legacy’s version is carried over by its SQL, then the owner’s rows stand: legacy is made like them', async () => {
  const carried = writesOf(await reconcile()).find(({ write }) => write.key?.[0] === '2');
  await project.targets['orders']?.query(carried?.carrySql ?? '');
  expect(await reconcile('--keep-owner', '--yes')).toMatchObject({ code: 0, ok: true });
  const owner = project.targets['orders'] as Project['legacy'];
  for (const place of [owner, project.legacy])
    expect(await rows(place, '1, 2, 3')).toEqual([
      { id: 1, note: 'n1' },
      { id: 2, note: 'rogue' },
      { id: 3, note: 'n3' },
    ]);
  expect(await reconcile()).toMatchObject({ code: 0, result: { writes: [] } });
});

test('a TRUNCATE cannot be settled row by row: the dry run says so, the command refuses', async () => {
  await rogue('TRUNCATE orders', 1);
  expect(await reconcile('--dry-run')).toMatchObject({ code: 0, result: { refusal: { code: 'DBPS_E350' } } });
  expect(await reconcile('--keep-owner', '--yes')).toMatchObject({ code: 3, error: { code: 'DBPS_E350' } });
  // Both sides made equal by hand, the decision goes with the way back.
  await project.targets['orders']?.query('DELETE FROM orders');
  expect(
    await project.json(['rollback', 'orders', '--to', 'read-cutover', '--keep-owner', '--yes']),
  ).toMatchObject({ code: 0 });
  expect(await project.json(['migrate', 'abort', 'orders', '--yes'])).toMatchObject({ code: 0 });
});
