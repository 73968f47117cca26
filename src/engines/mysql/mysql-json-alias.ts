/** MariaDB's JSON is a longtext with a check of its own name: told as what was meant, so that both servers of the family give one model. */
import type { Relation } from '../../model/database-schema.js';

const IS_JSON = /^\(*\s*json_valid\s*\(\s*`((?:[^`]|``)+)`\s*\)\s*\)*$/i;

export function withJsonColumns(relation: Relation): Relation {
  const columns = new Set(
    relation.checks.flatMap((check) => {
      const name = IS_JSON.exec(check.expression.trim())?.[1]?.replaceAll('``', '`');
      const isIt = relation.columns.some((column) => column.name === name && column.type === 'longtext');
      return name !== undefined && isIt ? [name] : [];
    }),
  );
  if (columns.size === 0) return relation;
  return {
    ...relation,
    columns: relation.columns.map((column) => {
      if (!columns.has(column.name)) return column;
      const { characterSet: _, collation: __, ...rest } = column;
      return { ...rest, type: 'json', baseType: 'json' };
    }),
    checks: relation.checks.filter(
      (check) => !columns.has(IS_JSON.exec(check.expression.trim())?.[1]?.replaceAll('``', '`') ?? ''),
    ),
  };
}
