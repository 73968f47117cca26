/** Every command that a hint, a remedy, an explanation or a generated file tells people to type is one that the parser takes. */
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { commandLineProblem, commandsIn } from '../support/command-lines.js';

const SRC = path.resolve(import.meta.dirname, '../../src');
const SAMPLE = 'orders';

/** Every text in the source, with a name where something is filled in. */
function* texts(): Generator<{ readonly place: string; readonly text: string }> {
  for (const file of fs.readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const source = ts.createSourceFile(
      file,
      fs.readFileSync(path.join(SRC, file), 'utf8'),
      ts.ScriptTarget.ES2022,
      true,
    );
    const found: { place: string; text: string }[] = [];
    const visit = (node: ts.Node): void => {
      const text = ts.isStringLiteralLike(node)
        ? node.text
        : ts.isTemplateExpression(node)
          ? node.head.text + node.templateSpans.map(({ literal }) => SAMPLE + literal.text).join('')
          : null;
      if (text !== null && text.includes('dbps '))
        found.push({
          place: `${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`,
          text,
        });
      ts.forEachChild(node, visit);
    };
    visit(source);
    yield* found;
  }
}

test('every command in the texts of the source is one', () => {
  const found = [...texts()].flatMap(({ place, text }) =>
    commandsIn(text, (word) => word.includes(SAMPLE)).map((command) => ({ place, ...command })),
  );
  expect(found.length).toBeGreaterThan(150);
  expect(
    found.filter(({ problem }) => problem !== null).map((c) => `${c.place}: ${c.line}: ${c.problem}`),
  ).toEqual([]);
});

test('the reader of sentences finds what is wrong', () => {
  const problems = (text: string) =>
    commandsIn(text, (word) => word === SAMPLE).map(({ line, problem }) => [line, problem]);
  expect(problems('dbps plan diff shows it; then dbps verify orders --mode full, or not')).toEqual([
    ['dbps plan diff', null],
    ['dbps verify orders --mode full', null],
  ]);
  expect(problems('dbps verify --full; more')).toEqual([['dbps verify --full', 'verify has no --full']]);
  expect(problems('dbps migrate resume --apply-ddl carries it')).toEqual([
    ['dbps migrate resume --apply-ddl', 'an argument is missing'],
  ]);
  expect(problems('what dbps runs as, and dbps itself')).toEqual([]);
});

test.each([
  ['dbps migrate advance orders --to sync', null],
  ["dbps verify orders --only 'public.Order items' --repair-sql repair.sql", null],
  ['dbps migrate advance orders --to sink', 'sink is no phase'],
  ['dbps verify --full', "error: unknown option '--full'"],
  ['dbps rollback', "error: missing required argument 'service'"],
  ['dbps status one two', 'too many arguments'],
  ['dbps rollback <service>', 'placeholder'],
  ['npx dbps', 'does not begin'],
])('%s: %s', async (line, problem) => {
  const found = await commandLineProblem(line);
  if (problem === null) expect(found).toBeNull();
  else expect(found).toContain(problem);
});
