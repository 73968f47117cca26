/** What the reader of a dump left out. */
import { finding, type Rule } from './rule.js';

export const notRead: Rule = ({ schema }) =>
  schema.unsupported
    .filter((object) => object.line !== undefined)
    .map((object) =>
      finding(
        object.kind === 'truncated dump' ? 'BND151' : 'BND150',
        `line ${object.line}: ${object.name}`,
        object.reason,
        {
          data: { line: object.line, kind: object.kind },
        },
      ),
    );
