/** Columns in line; the first row is the heading. No frames: a table can be cut, grepped and pasted. */

export interface TableOptions {
  /** Right-aligned columns, by index. */
  readonly right?: readonly number[];
  readonly indent?: string;
  readonly gap?: string;
}

export function table(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  const right = new Set(options.right ?? []);
  return rows
    .map((row) =>
      (
        (options.indent ?? '') +
        row
          .map((cell, index) =>
            right.has(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0),
          )
          .join(options.gap ?? '  ')
      ).trimEnd(),
    )
    .join('\n');
}

/** Words wrapped at a width, further lines under the first. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}
