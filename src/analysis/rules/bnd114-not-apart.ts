/** Two services that each need the other to write. */
import { finding, referenceLabel, type Rule } from './rule.js';

export const notApart: Rule = ({ crossings, evidence }) => {
  const needs = new Map<string, string>();
  for (const { reference, services } of crossings) {
    if (reference === undefined) continue;
    const child = evidence.relations[evidence.index.get(reference.child) ?? -1];
    const isRequired = reference.childColumns.every(
      (name) => child?.columns.find((column) => column.name === name)?.isNullable === false,
    );
    if (isRequired && services.length === 2) needs.set(JSON.stringify(services), referenceLabel(reference));
  }
  return [...needs].flatMap(([pair, label]) => {
    const [from, to] = JSON.parse(pair) as [string, string];
    const back = needs.get(JSON.stringify([to, from]));
    if (back === undefined || from > to) return [];
    return [
      finding(
        'BND114',
        `${from} <-> ${to}`,
        `${label} and ${back} may not be null: neither service can write without the other.`,
      ),
    ];
  });
};
