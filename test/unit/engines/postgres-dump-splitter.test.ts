import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isCommand,
  PostgresSplitter,
  type ScriptItem,
} from '../../../src/engines/postgres/postgres-dump-splitter.js';

/** The script handed over in pieces of the given sizes, the last size repeated. */
function split(script: string, sizes: readonly number[] = [script.length || 1]): ScriptItem[] {
  const splitter = new PostgresSplitter();
  const items: ScriptItem[] = [];
  let at = 0;
  for (let index = 0; at < script.length; index += 1) {
    const size = sizes[Math.min(index, sizes.length - 1)] as number;
    items.push(...splitter.push(script.slice(at, at + size)));
    at += size;
  }
  return [...items, ...splitter.end()];
}

const texts = (items: readonly ScriptItem[]): string[] =>
  items.map((item) => (isCommand(item) ? item.command : item.text.trim()));

const SCRIPT = `-- PostgreSQL database dump
\\restrict abc
SET x = 1; -- a ; in a comment
/* ; /* nested ; */ ; */
CREATE TABLE a (b text DEFAULT ';''"', "c;d" int, e text DEFAULT E'\\';');
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $b$ SELECT 1; SELECT $$;$$ $b$;
CREATE FUNCTION g() RETURNS int BEGIN ATOMIC
  SELECT CASE WHEN 1 = 1 THEN 2 END;
  SELECT 3;
END;
CREATE RULE r AS ON DELETE TO a DO INSTEAD (
  UPDATE a SET b = 1;
  DELETE FROM c
);
COPY a (b) FROM stdin;
CREATE TABLE not_sql (;'"$$
\\N\tx
\\.
INSERT INTO a VALUES ('; CREATE TABLE no ();');
CREATE TABLE last (x int);
`;

const EXPECTED = [
  '\\restrict abc',
  'SET x = 1',
  /CREATE TABLE a \(.*\)$/,
  /^CREATE FUNCTION f.*\$b\$$/,
  /^CREATE FUNCTION g[\s\S]*END$/,
  /^CREATE RULE r[\s\S]*\)$/,
  'COPY a (b) FROM stdin',
  'CREATE TABLE last (x int)',
];

describe('splitting a script', () => {
  test('quotes, comments, bodies, rules and data', () => {
    const found = texts(split(SCRIPT));
    expect(found).toHaveLength(EXPECTED.length);
    EXPECTED.forEach((expected, index) => {
      if (typeof expected === 'string') expect(found[index]).toBe(expected);
      else expect(found[index]).toMatch(expected);
    });
  });

  test('lines are those of the statement', () => {
    const lines = split(SCRIPT).map((item) => item.line);
    expect(lines).toEqual([2, 3, 4, 6, 7, 11, 15, 20]);
  });

  test('where the pieces are cut makes no difference', () => {
    const whole = split(SCRIPT);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        expect(split(SCRIPT, sizes)).toEqual(whole);
      }),
    );
  });

  test('a script cut off anywhere gives what came before, and never hangs', () => {
    const whole = texts(split(SCRIPT));
    for (let end = 0; end < SCRIPT.length; end += 7) {
      const found = split(SCRIPT.slice(0, end));
      const last = found.at(-1);
      if (last !== undefined && isCommand(last)) found.pop();
      const complete = found.filter((item) => isCommand(item) || !item.isTruncated);
      expect(whole.slice(0, complete.length)).toEqual(texts(complete));
    }
  });

  test('an unclosed quote does not swallow what follows', () => {
    const found = split(
      `CREATE TABLE a (b text DEFAULT 'oops);\nCREATE TABLE c (d int);\nCREATE TABLE e (f int);\n`,
    );
    expect(found[0]).toMatchObject({ isTruncated: true, line: 1 });
    expect(texts(found).slice(1)).toEqual(['CREATE TABLE c (d int)', 'CREATE TABLE e (f int)']);
  });
});
