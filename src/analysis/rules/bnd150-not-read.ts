/** What the reader of a dump left out, what the account that read a database may not see, and a script that does not tell its dialect. */
import { finding, type Rule } from './rule.js';

export const notRead: Rule = ({ schema }) =>
  schema.unsupported.flatMap((object) => {
    const { kind, name, reason, line, remedy } = object;
    if (kind === 'hidden' || kind === 'dialect')
      return [
        finding(kind === 'hidden' ? 'BND152' : 'BND153', name, reason, {
          ...(remedy !== undefined && { remedy }),
        }),
      ];
    if (line === undefined) return [];
    const code = kind === 'truncated dump' ? 'BND151' : 'BND150';
    return [finding(code, `line ${line}: ${name}`, reason, { data: { line, kind } })];
  });
