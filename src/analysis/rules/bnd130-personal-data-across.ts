/** Personal data in what crosses a boundary. */
import { personalColumns } from '../personal-data.js';
import { finding, type Rule } from './rule.js';

export const personalDataAcross: Rule = ({ crossings, evidence, uses, schema }) => {
  const personal = new Map(
    evidence.relations.map((relation) => [
      relation.id,
      new Set(personalColumns(relation).map((column) => column.column)),
    ]),
  );
  const byText = new Map(uses.map((use) => [use.text.replaceAll(/\s+/g, ' ').trim().slice(0, 200), use]));
  return crossings.flatMap(({ kind, subject, services, relations }) => {
    const read =
      kind === 'view'
        ? (schema.relations.find((relation) => relation.id === subject)?.columns ?? []).flatMap((column) =>
            relations
              .filter((id) => personal.get(id)?.has(column.name) === true)
              .map((id) => `${id}.${column.name}`),
          )
        : kind === 'query'
          ? relations.flatMap((id) =>
              (byText.get(subject)?.columns.get(id) ?? [])
                .filter((column) => personal.get(id)?.has(column) === true)
                .map((column) => `${id}.${column}`),
            )
          : [];
    return read.length === 0
      ? []
      : [
          finding(
            'BND130',
            subject,
            `It reads ${[...new Set(read)].sort().join(', ')} across ${services.join(', ')}.`,
            { data: { columns: read } },
          ),
        ];
  });
};
