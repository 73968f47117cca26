/** Rows of information_schema → the stored routines and events of the model. */
import type { Routine } from '../../model/database-schema.js';
import { relationId, type RelationId } from '../../model/relation-id.js';
import { optional, present, text, type Row } from './mysql-catalogue-row.js';
import type { Granted } from './mysql-granted.js';
import { readCalledRoutines, readTouchedRelations, type RoutineNames } from './mysql-names.js';
import { quoteIdentifier } from './mysql-sql.js';

export function readRoutines(
  routines: readonly Row[],
  events: readonly Row[],
  parameters: readonly Row[],
  known: ReadonlySet<RelationId>,
  callable: RoutineNames,
  granted: Granted,
): readonly Routine[] {
  const signatures = new Map<string, string[]>();
  for (const row of parameters) {
    const id = relationId(text(row, 'specific_schema'), text(row, 'specific_name'));
    signatures.set(id, [...(signatures.get(id) ?? []), text(row, 'dtd_identifier')]);
  }
  const common = { language: 'sql', isTrigger: false } as const;
  const stored = routines.map((row): Routine => {
    const schema = text(row, 'routine_schema');
    const id = relationId(schema, text(row, 'routine_name'));
    const body = text(row, 'routine_definition');
    return present<Routine>({
      ...common,
      grants: granted.onRoutine(text(row, 'routine_type'), id),
      id,
      schema,
      name: text(row, 'routine_name'),
      kind: text(row, 'routine_type') === 'PROCEDURE' ? 'procedure' : 'function',
      signature: `(${(signatures.get(id) ?? []).join(', ')})`,
      returns: optional(row, 'dtd_identifier'),
      isSecurityDefiner: text(row, 'security_type') === 'DEFINER',
      definition: text(row, 'statement'),
      settings: settingsOf(row),
      ...readTouchedRelations(body, schema, known),
      calls: readCalledRoutines(body, schema, callable).filter((call) => call !== id),
      // What it runs is only known when it runs.
      isOpaque: /\bPREPARE\b/i.test(body),
    });
  });
  const scheduled = events.map((row): Routine => {
    const schema = text(row, 'event_schema');
    const body = text(row, 'event_definition');
    const calls = readCalledRoutines(body, schema, callable);
    return {
      ...common,
      // Nobody calls it.
      grants: [],
      id: relationId(schema, text(row, 'event_name')),
      schema,
      name: text(row, 'event_name'),
      kind: 'event',
      signature: '()',
      isSecurityDefiner: true,
      definition: text(row, 'statement'),
      settings: settingsOf(row),
      ...readTouchedRelations(body, schema, known),
      calls,
      isOpaque: /\bPREPARE\b/i.test(body),
    };
  });
  return [...stored, ...scheduled];
}

/** A body means what it meant to the session that made it: `||`, double quotes, what happens to a text that is too long. */
export function settingsOf(row: Row): Readonly<Record<string, string>> {
  // MySQL 8 does not know it any more, and it says nothing of a body.
  const modes = text(row, 'sql_mode')
    .split(',')
    .filter((mode) => mode !== 'NO_AUTO_CREATE_USER');
  const zone = row['time_zone'];
  return { sql_mode: modes.join(','), ...(zone != null && { time_zone: zone }) };
}

export function qualifyRoutine(sql: string, kind: string, schema: string, name: string): string {
  const quoted = quoteIdentifier(name);
  return sql
    .replace(
      /^CREATE\s+(?:OR REPLACE\s+)?(?:DEFINER=(?:`(?:[^`]|``)*`|'[^']*'|\S+?)(?:@(?:`(?:[^`]|``)*`|'[^']*'|\S+))?\s+)?/i,
      'CREATE ',
    )
    .replace(`${kind} ${quoted}`, () => `${kind} ${quoteIdentifier(schema)}.${quoted}`);
}
