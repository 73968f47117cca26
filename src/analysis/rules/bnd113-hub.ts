/** One relation that most crossings go through. */
import { finding, type Rule } from './rule.js';

const SHARE = 0.4;
const FEWEST = 6;

export const hub: Rule = ({ crossings, home }) => {
  const references = crossings.filter((crossing) => crossing.reference !== undefined);
  const count = new Map<string, number>();
  for (const { reference } of references)
    if (reference !== undefined) count.set(reference.parent, (count.get(reference.parent) ?? 0) + 1);
  return [...count]
    .filter(([, number]) => number >= FEWEST && number >= SHARE * references.length)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([relation, number]) => {
      const service = home.get(relation);
      return finding('BND113', relation, `${number} of ${references.length} crossing references go to it.`, {
        relation,
        ...(service === undefined ? {} : { service }),
      });
    });
};
