/** A part and its whole in two databases. */
import { finding, type Rule } from './rule.js';

export const weakEntityApart: Rule = ({ evidence, home }) =>
  evidence.relations.flatMap((relation) => {
    const parent = evidence.facts.get(relation.id)?.weakOf;
    const [own, other] = [home.get(relation.id), home.get(parent ?? '')];
    if (parent === undefined || own === undefined || other === undefined || own === other) return [];
    return [
      finding(
        'BND102',
        `${relation.id} -> ${parent}`,
        `${relation.id} (${own}) holds the key of ${parent} (${other}) in its primary key: it is a part of it.`,
        {
          relation: relation.id,
          service: own,
          remedy: `together: [[${parent}, ${relation.id}]] in dbps.yaml, or move one of them`,
        },
      ),
    ];
  });
