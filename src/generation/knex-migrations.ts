/** The same statements as knex migrations, one for each stage: up, and down by their undo. */
import type { StagedStatement } from '../engines/engine.js';
import type { EngineName } from '../model/database-schema.js';
import { STAGES, underSettings } from './schema-sql.js';

const literal = (sql: string): string =>
  `\`${sql.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')}\``;

const block = (comment: string, ...statements: readonly string[]): string =>
  [
    `  // ${comment.replaceAll(/\s+/g, ' ')}`,
    ...statements.map((sql) => `  await run(knex, ${literal(sql)});`),
  ].join('\n');

const NAMES: Readonly<Record<string, string>> = {
  base: 'tables',
  key: 'keys',
  index: 'indexes',
  constraint: 'constraints_and_views',
  open: 'triggers_and_foreign_keys',
  validate: 'validate_foreign_keys',
};

export interface Migration {
  readonly name: string;
  readonly source: string;
}

const PROLOGUE: Readonly<Record<EngineName, string>> = {
  postgres: "  await run(knex, 'SET LOCAL check_function_bodies = off');",
  // knex gives a migration one session; its pool's next user sets what it needs.
  mysql: "  await run(knex, 'SET SESSION foreign_key_checks = 0');",
};
const EPILOGUE: Readonly<Record<EngineName, readonly string[]>> = {
  postgres: [],
  mysql: ["  await run(knex, 'SET SESSION foreign_key_checks = 1');"],
};

export function knexMigrations(
  engine: EngineName,
  statements: readonly StagedStatement[],
): readonly Migration[] {
  // Bodies may name what is made after them.
  const prologue = [PROLOGUE[engine]];
  return STAGES.flatMap(({ stage, title }, index) => {
    const own = statements.filter((statement) => statement.stage === stage);
    if (own.length === 0) return [];
    const up = own.map(({ purpose, sql, settings }) => {
      const { before, after } = underSettings(settings);
      return block(purpose, ...before, sql, ...after);
    });
    const down = own
      .toReversed()
      .flatMap(({ purpose, undo }) => (undo === null ? [] : [block(`take back: ${purpose}`, undo)]));
    return [
      {
        name: `${String(index + 1).padStart(4, '0')}_${NAMES[stage]}.mjs`,
        source: `/** ${title}. */

// knex takes every question mark for a parameter, also those of operators and texts.
const run = (knex, sql) => knex.raw(sql.replaceAll('?', '\\\\?'));

export async function up(knex) {
${[...prologue, ...up, ...EPILOGUE[engine]].join('\n')}
}

export async function down(knex) {
${down.length === 0 ? '  // Nothing to take back: what was done here goes with its table.\n  void knex;' : down.join('\n')}
}
`,
      },
    ];
  });
}
