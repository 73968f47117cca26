/** A service's schema as one script for an empty database: what dbps itself would run, in the same order. */
import type { StagedStatement, Stage } from '../engines/engine.js';
import type { EngineName } from '../model/database-schema.js';

export const STAGES: readonly { readonly stage: Stage; readonly title: string }[] = [
  { stage: 'base', title: 'Roles, types, sequences, routines, tables' },
  { stage: 'key', title: 'Keys that identify rows' },
  { stage: 'index', title: 'Indexes' },
  { stage: 'constraint', title: 'Unique keys, checks, views, policies' },
  { stage: 'open', title: 'Identities, rules, triggers, foreign keys' },
  { stage: 'validate', title: 'Foreign keys, checked against the rows' },
];

/** Bodies name what is made after them, and every other name is written in full. */
const PROLOGUE: Readonly<Record<EngineName, readonly string[]>> = {
  postgres: [
    'BEGIN;',
    'SET LOCAL check_function_bodies = off;',
    "SET LOCAL client_encoding = 'UTF8';",
    'SET LOCAL standard_conforming_strings = on;',
    'SET LOCAL search_path = pg_catalog;',
  ],
  mysql: ['SET NAMES utf8mb4;', 'SET SESSION foreign_key_checks = 0;'],
};
const EPILOGUE: Readonly<Record<EngineName, readonly string[]>> = {
  postgres: ['COMMIT;'],
  mysql: ['SET SESSION foreign_key_checks = 1;'],
};

export const terminated = (sql: string): string => `${sql.trimEnd().replace(/;$/, '')};`;

/** A body holds semicolons of its own, at which the command line client would cut it. */
function scripted(engine: EngineName, sql: string): string {
  if (engine !== 'mysql' || !/;\s*\S/.test(sql)) return terminated(sql);
  return `DELIMITER ;;\n${sql.trimEnd()};;\nDELIMITER ;`;
}

/** Each variable is set before the statement, and put back after it. */
export function underSettings(settings: StagedStatement['settings']): {
  readonly before: readonly string[];
  readonly after: readonly string[];
} {
  const entries = Object.entries(settings ?? {});
  return {
    before: entries.flatMap(([name, value]) => [
      `SET @dbps_${name} = @@SESSION.${name};`,
      `SET SESSION ${name} = '${value.replaceAll("'", "''")}';`,
    ]),
    after: entries.map(([name]) => `SET SESSION ${name} = @dbps_${name};`),
  };
}

export function schemaSql(engine: EngineName, statements: readonly StagedStatement[]): string {
  const lines: string[] = [...PROLOGUE[engine]];
  for (const { stage, title } of STAGES) {
    const own = statements.filter((statement) => statement.stage === stage);
    if (own.length === 0) continue;
    lines.push('', `-- ${title}`);
    for (const { purpose, sql, settings } of own) {
      const { before, after } = underSettings(settings);
      lines.push('', `-- ${purpose.replaceAll(/\s+/g, ' ')}`, ...before, scripted(engine, sql), ...after);
    }
  }
  return [...lines, '', ...EPILOGUE[engine]].join('\n').trim();
}
