/**
 * A relation is named everywhere by one string, `schema.name`. A part that itself holds a dot or a
 * double quote is written in double quotes (`public."odd.name"`), so the text is unambiguous and, for
 * every ordinary name (mixed case included), the same as what a person would write in dbps.yaml.
 */
export type RelationId = string;

export interface RelationName {
  readonly schema: string;
  readonly name: string;
}

const writePart = (part: string): string => (/[."]/.test(part) ? `"${part.replaceAll('"', '""')}"` : part);

export function relationId(schema: string, name: string): RelationId {
  return `${writePart(schema)}.${writePart(name)}`;
}

/** @throws RangeError when the text is not one or two parts. `defaultSchema` fills a missing first part. */
export function parseRelationId(text: string, defaultSchema = 'public'): RelationName {
  const parts: string[] = [];
  const pattern = /(?:"((?:[^"]|"")+)"|([^."]+))(\.|$)/gy;
  let end = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    parts.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : (match[2] as string));
    end = pattern.lastIndex;
    if (match[3] === '') break;
  }
  const [first, second] = parts;
  if (end !== text.length || text.endsWith('.') || first === undefined || parts.length > 2) {
    throw new RangeError(`"${text}" is not a relation name; write name or schema.name`);
  }
  return second === undefined ? { schema: defaultSchema, name: first } : { schema: first, name: second };
}
