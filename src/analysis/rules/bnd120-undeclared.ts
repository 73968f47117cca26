/** References that are not declared: inferred ones, pairs of type and id, and columns that separate tenants. */
import { partitionKeyColumns } from '../relation-facts.js';
import { finding, referenceLabel, type Rule } from './rule.js';

export const undeclared: Rule = ({ references, evidence }) => [
  ...references
    .filter((reference) => reference.origin === 'inferred')
    .map((reference) =>
      finding(
        'BND120',
        referenceLabel(reference),
        `No key declares it; ${reference.hitRate === undefined ? 'its name and type say so' : `${(reference.hitRate * 100).toFixed(1)} % of its values are there`}.`,
        { relation: reference.child },
      ),
    ),
  ...evidence.refuted.map(({ child, column, parent, parentColumn, hitRate }) =>
    finding(
      'BND123',
      `${child}.${column} -> ${parent}.${parentColumn}`,
      `Its name says so; ${(hitRate * 100).toFixed(1)} % of its values are there.`,
      { relation: child },
    ),
  ),
  ...evidence.relations.flatMap((relation) =>
    (evidence.facts.get(relation.id)?.polymorphic ?? []).map(({ typeColumn, idColumn }) =>
      finding(
        'BND121',
        `${relation.id} (${typeColumn}, ${idColumn})`,
        `${typeColumn} says which relation ${idColumn} means.`,
        { relation: relation.id },
      ),
    ),
  ),
  ...[...partitionKeyColumns(evidence.relations)].sort().flatMap((column) => {
    const having = evidence.relations.filter((relation) =>
      relation.columns.some((candidate) => candidate.name === column),
    );
    return [
      finding('BND122', column, `It is on ${having.length} of ${evidence.relations.length} relations.`),
    ];
  }),
];
