/** Pins that pin nothing. */
import { finding, type Rule } from './rule.js';

export const unknownPin: Rule = ({ unknownPins, schema }) =>
  unknownPins.map((relation) => {
    const found = schema.relations.find((candidate) => candidate.id === relation);
    return finding(
      'BND140',
      relation,
      found === undefined
        ? 'It is not in the schema that was read.'
        : `It is a ${found.kind}, which follows the relations it stands for.`,
      { relation },
    );
  });
