/** Pieces of a statement's own text: the grammar gives where things begin (in bytes of UTF-8), not where they end. */
export class StatementText {
  private bytes: Buffer | undefined;

  constructor(readonly text: string) {}

  /** The text from a byte position on. */
  from(location: number | undefined): string {
    const at = location ?? 0;
    if (/^[\x00-\x7f]*$/.test(this.text)) return this.text.slice(at);
    this.bytes ??= Buffer.from(this.text);
    return this.bytes.subarray(at).toString();
  }

  /** An expression that begins at a byte position, up to the comma, parenthesis or column clause that ends it. */
  expression(location: number | undefined): string {
    return cutExpression(this.from(location));
  }

  /** The text in the first parentheses at or after a byte position. */
  parenthesised(location: number | undefined): string {
    const rest = this.from(location);
    const open = rest.indexOf('(');
    return open === -1 ? '' : cutExpression(rest.slice(open + 1), false).trim();
  }
}

const ENDS =
  /^(?:NOT\s+NULL|NULL|CONSTRAINT|CHECK|UNIQUE|PRIMARY\s+KEY|REFERENCES|GENERATED|COLLATE|DEFERRABLE|INITIALLY|STORED|VIRTUAL)\b/i;

function cutExpression(text: string, stopsAtClause = true): string {
  const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$[\s\S]*?\$\1\$|[([)\],;]|[A-Za-z_]\w*/g;
  let depth = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const word = match[0];
    if (word === '(' || word === '[') depth += 1;
    else if (word === ')' || word === ']') {
      if (depth === 0) return text.slice(0, match.index).trim();
      depth -= 1;
    } else if (depth > 0) continue;
    else if (word === ',' && !stopsAtClause) continue;
    else if (word === ',' || word === ';') return text.slice(0, match.index).trim();
    else if (stopsAtClause && match.index > 0 && ENDS.test(text.slice(match.index, match.index + 40)))
      return text.slice(0, match.index).trim();
  }
  return text.trim();
}
