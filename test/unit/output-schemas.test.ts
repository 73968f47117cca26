/** The schemas of what is printed come from types, and the check that every end-to-end run passes through is not asleep. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { schemasOf } from '../../scripts/json-schema-of-types.js';
import { InternalError } from '../../src/model/errors.js';
import { envelope, toJson } from '../../src/report/envelope.js';
import { checkNextSteps, checkPrinted, secretIn } from '../support/printed.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-types-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function schemas(types: string) {
  const file = path.join(directory, 'types.ts');
  fs.writeFileSync(file, types);
  return schemasOf(file, 'Documents', { strict: true, lib: ['lib.es2022.d.ts'], types: [] });
}

test('types become schemas as JSON.stringify would print their values', () => {
  const { properties, definitions } = schemas(`
    interface Tree { readonly name: string; readonly children: readonly Tree[] }
    type Kind = { kind: 'a'; n: number } | { kind: 'b'; big?: bigint };
    export interface Documents {
      /** How it began. */
      tree: Tree; kind: Kind; either: 'x' | 'y' | null; flag: boolean | undefined;
      pair: [string, number]; counts: Record<string, number>; some: Pick<Tree, 'name'> & { more?: true };
    }`);
  expect(properties['tree']).toEqual({ $ref: '#/$defs/Tree' });
  expect(definitions['Tree']).toEqual({
    type: 'object',
    required: ['name', 'children'],
    properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/Tree' } } },
  });
  expect(definitions['Kind']).toMatchObject({
    anyOf: [
      { required: ['kind', 'n'], properties: { kind: { const: 'a' } } },
      { required: ['kind'], properties: { kind: { const: 'b' }, big: { type: ['integer', 'string'] } } },
    ],
  });
  expect(properties['either']).toEqual({ anyOf: [{ enum: ['x', 'y'] }, { type: 'null' }] });
  expect(properties['flag']).toEqual({ type: 'boolean' });
  expect(properties['pair']).toMatchObject({ prefixItems: [{ type: 'string' }, { type: 'number' }] });
  expect(properties['counts']).toEqual({ type: 'object', additionalProperties: { type: 'number' } });
  expect(properties['some']).toEqual({
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string' }, more: { const: true } },
  });
});

test.each(['() => void', '{ deep: { down: Map<string, number> } }'])(
  'JSON cannot carry %s: no schema pretends that it can',
  (type) => {
    expect(() => schemas(`export interface Documents { it: ${type} }`)).toThrow(/cannot be written as JSON/);
  },
);

test('a field that no type tells, a missing one and a second end are found', () => {
  const fine = envelope({
    version: '1.2.3',
    command: 'explain',
    ok: true,
    result: { codes: [{ code: 'SEC101', title: 'a title' }] },
  });
  const failed = envelope({
    version: '1.2.3',
    command: 'nothing',
    ok: false,
    error: new InternalError({ code: 'DBPS_E901', message: 'broken' }),
  });
  for (const good of [fine, failed]) checkPrinted('json', toJson(good));
  for (const bad of [
    { ...fine, extra: 1 },
    { ...fine, result: { codes: [], extra: 1 } },
    { ...fine, result: { codes: [{ code: 'SEC101' }] } },
    { ...fine, nextSteps: ['rm -rf /'] },
    { ...failed, error: { ...failed.error, code: 'OOPS' } },
  ])
    expect(() => checkPrinted('json', toJson(bad)), toJson(bad)).toThrow(/not what .*\.json says/);
  const start = toJson({ type: 'start', format: '1.0', dbps: '1.2.3', command: 'explain' });
  const end = toJson({ type: 'end', envelope: fine });
  checkPrinted('ndjson', `${start}\n${end}\n`);
  for (const lines of [
    [start],
    [start, end, end],
    [end, start],
    [start, start, end],
    ['{"type":"odd"}', end],
  ])
    expect(() => checkPrinted('ndjson', lines.join('\n')), lines.join('\n')).toThrow();
});

test('a password and a next step that cannot be pasted are found, whatever the run', async () => {
  expect(secretIn('postgres://dbps:***@db/shop')).toBeNull();
  for (const text of ['p#ss/w?rd@%', 'postgres://u:p%23ss%2Fw%3Frd%40%25@h/d', 'host=h password=p#ss/w?rd@%'])
    expect(secretIn(`before ${text} after`), text).not.toBeNull();
  await checkNextSteps('fine\nNext  dbps status\n');
  await expect(checkNextSteps('Next  dbps stats\n')).rejects.toThrow(/unknown command/);
  const json = (nextSteps: readonly string[]) =>
    toJson(envelope({ version: '1.2.3', command: 'x', ok: true, nextSteps }), 2);
  await checkNextSteps(json(['dbps plan']));
  await expect(checkNextSteps(json(['dbps plan --all']))).rejects.toThrow(/unknown option/);
});
