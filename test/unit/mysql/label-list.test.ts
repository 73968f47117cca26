/** Labels added at the end of an ENUM or SET are an additive change; any other change of the list gives stored numbers other labels. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseSchema } from '../../../src/model/database-schema.js';
import type { RelationMap } from '../../../src/engines/engine.js';
import { alterMysqlSchema } from '../../../src/engines/mysql/mysql-ddl-alter.js';
import { readDumpText } from '../../../src/engines/dump-text.js';
import { mysqlDumpReader } from '../../../src/engines/mysql/mysql-dump-reader.js';
import { assertPlanned } from '../../../src/engines/mysql/mysql-log-relations.js';
import { otherChecks } from '../../../src/migration/adopt-ddl.js';
import { compareShapes } from '../../../src/model/fingerprint.js';
import { isLongerLabelList } from '../../../src/model/label-list.js';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-labels-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

async function read(type: string) {
  const file = path.join(folder, 'shop.sql');
  fs.writeFileSync(file, `CREATE TABLE orders (id int PRIMARY KEY, state ${type});`);
  return mysqlDumpReader.read({ name: file, text: readDumpText(file) });
}

test.each([
  ["enum('a')", "enum('a','b')", true],
  ["set('a','b')", "set('a','b','c','d')", true],
  ["enum('a,b')", "enum('a,b','it''s')", true],
  ["enum('a','b')", "enum('a','b')", false],
  ["enum('a','b')", "enum('a')", false],
  ["enum('a','b')", "enum('b','a','c')", false],
  ["enum('a','c')", "enum('a','b','c')", false],
  // Not a label more: another label that begins alike.
  ["enum('a')", "enum('a''b')", false],
  ["enum('a')", "enum('a'',''b')", false],
  ["enum('a')", "set('a','b')", false],
  ['int', 'int', false],
])('%s -> %s: %s', (before, after, isLonger) => {
  expect(isLongerLabelList(before, after)).toBe(isLonger);
});

describe('a column of labels', () => {
  test.each(["enum('new','paid')", "set('new','paid')"])(
    '%s: one more at the end is carried over',
    async (type) => {
      const longer = type.replace(/\)$/, ",'sent')");
      const [before, after] = [await read(type), await read(longer)];
      const [id] = before.relations.map((relation) => relation.id);
      expect(compareShapes(before, after, [id as string])).toEqual([
        { relation: id, effect: 'additive', what: `column "state" was ${type}, is ${longer}` },
      ]);
      expect(alterMysqlSchema(before, after).map(({ sql }) => sql)).toEqual([
        expect.stringContaining(`MODIFY COLUMN \`state\` ${longer}`) as string,
      ]);
    },
  );

  test('any other change is not', async () => {
    const [before, after] = [await read("enum('a')"), await read("enum('a''b')")];
    const ids = before.relations.map((relation) => relation.id);
    expect(compareShapes(before, after, ids).map(({ effect }) => effect)).toEqual(['recopy']);
    expect(alterMysqlSchema(before, after)).toEqual([]);
  });

  test('on another engine its labels are a check constraint: told, since nothing would alter it', async () => {
    const schema = await read('text');
    const withCheck = (labels: string): DatabaseSchema => ({
      ...schema,
      relations: schema.relations.map((relation) => ({
        ...relation,
        checks: [{ name: 'state_labels', expression: `state IN (${labels})` }] as never,
      })),
    });
    expect(otherChecks(withCheck("'a'"), withCheck("'a', 'b'"))).toEqual(
      schema.relations.map(({ id }) => id),
    );
    expect(otherChecks(withCheck("'a'"), withCheck("'a'"))).toEqual([]);
  });

  test('the log before the change is read by the longer list, the table must be as planned', () => {
    const column = (type: string) => [{ name: 'state', type, charset: 'utf8mb4', isGenerated: false }];
    const [short, long] = [column("enum('a')"), column("enum('a','b')")];
    const planned = (sourceType: string) =>
      ({
        source: 'shop.orders',
        target: 'o.orders',
        key: ['state'],
        columns: [{ name: 'state', target: 'state', sourceType }],
      }) as unknown as RelationMap;
    expect(() => assertPlanned(planned("enum('a','b')"), short, long)).not.toThrow();
    expect(() => assertPlanned(planned("enum('a')"), short, long)).toThrow(/changed its type/);
    expect(() => assertPlanned(planned("enum('a','b')"), short, short)).toThrow(/changed its type/);
  });
});
