/**
 * Rows as values, for an engine that does not read COPY: text COPY all the same, since it streams and its fields are the types' own output. Values
 * of one line are parted by tabs; a backslash stands before what would be taken for something else.
 */
import type { Value } from '../engine.js';

type TextRow = readonly (string | null)[];

const NEWLINE = 0x0a;
const UNESCAPED: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** COPY's lines, wherever the buffers were cut, as rows: one list for each buffer that ends a line. */
export async function* readTextRows(
  buffers: AsyncIterable<Buffer>,
): AsyncGenerator<readonly TextRow[], void, undefined> {
  let rest: Buffer[] = [];
  for await (const buffer of buffers) {
    const end = buffer.lastIndexOf(NEWLINE);
    if (end < 0) {
      rest.push(buffer);
      continue;
    }
    // Cut behind a whole line, and so never within a character.
    const lines = Buffer.concat([...rest, buffer.subarray(0, end)]).toString('utf8');
    rest = end + 1 < buffer.length ? [Buffer.from(buffer.subarray(end + 1))] : [];
    yield lines.split('\n').map(readLine);
  }
}

function readLine(line: string): TextRow {
  return line.split('\t').map((field) => {
    if (!field.includes('\\')) return field;
    return field === '\\N'
      ? null
      : field.replaceAll(/\\(.)/gs, (_, character: string) => UNESCAPED[character] ?? character);
  });
}

const ESCAPED = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Rows of PostgreSQL's own text as COPY reads them. */
export function textRows(rows: readonly (readonly Value[])[]): Buffer {
  let text = '';
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i] as string | null;
      if (i > 0) text += '\t';
      text += value === null ? '\\N' : value.replace(ESCAPED, (character) => ESCAPES[character] as string);
    }
    text += '\n';
  }
  return Buffer.from(text, 'utf8');
}
