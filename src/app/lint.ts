/** `dbps lint`: SQL of applications against the boundaries of dbps.yaml. Reads files; reaches no database. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { withoutValues } from '../analysis/statement-text.js';
import type { Config } from '../config/config.js';
import {
  lintStatements,
  type LintBoundaries,
  type LintedFile,
  type LintResult,
} from '../lint/lint-statements.js';
import { UsageError } from '../model/errors.js';
import { copiesOf, type Plan } from '../model/plan.js';
import type { RelationId } from '../model/relation-id.js';
import { inverseSchemaMap, SchemaRenaming } from '../planning/schema-renaming.js';
import { engineOf } from './databases.js';
import { serviceConfig } from './move.js';
import { defaultPlanFile, loadPlan } from './plan.js';

export interface LintOptions {
  /** Files, and folders whose .sql files are taken. */
  readonly paths: readonly string[];
  /** Where relative paths start, and what is shown is relative to. */
  readonly directory: string;
  /** The service whose SQL it is. */
  readonly service?: string;
  readonly signal?: AbortSignal;
}

/** @throws UsageError when a path is not there, or there is nothing to read. */
export async function lint(config: Config, options: LintOptions): Promise<LintResult> {
  if (config.services.length === 0)
    throw new UsageError({
      code: 'DBPS_E225',
      message: 'dbps.yaml has no services yet: there are no boundaries to hold SQL against',
      hint: 'dbps analyze --write proposes them',
    });
  if (options.service !== undefined) serviceConfig(config, options.service);
  const { statementReader } = await engineOf(config.source);
  if (statementReader === undefined)
    throw new RangeError(`nothing reads statements of ${config.source.engine}`);
  const files: LintedFile[] = [];
  for (const file of await sqlFiles(options)) {
    options.signal?.throwIfAborted();
    const statements = statementReader.split(await fs.readFile(file, 'utf8'));
    const uses = await statementReader.read(statements.map(({ text }) => text));
    files.push({
      file: path.relative(options.directory, file) || file,
      statements: statements.map(({ text, line }, index) => ({
        line,
        text: withoutValues(text, config.source.engine),
        use: uses[index] ?? null,
        opensTransaction: /^(?:begin|start)\b/i.test(text),
      })),
    });
  }
  return lintStatements(files, boundariesOf(config, await savedPlan(config), options.service ?? null));
}

async function sqlFiles({ paths, directory }: LintOptions): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const given of paths) {
    const at = path.resolve(directory, given);
    const stat = await fs.stat(at).catch(() => null);
    if (stat === null)
      throw new UsageError({
        code: 'DBPS_E201',
        message: `there is no ${given}`,
        hint: 'give .sql files, or folders that hold some',
      });
    if (!stat.isDirectory()) {
      found.add(at);
      continue;
    }
    for (const name of await fs.readdir(at, { recursive: true }))
      if (name.endsWith('.sql') && !name.split(path.sep).includes('node_modules'))
        found.add(path.join(at, name));
  }
  if (found.size === 0)
    throw new UsageError({
      code: 'DBPS_E201',
      message: `there are no .sql files in ${paths.join(', ')}`,
      hint: 'give .sql files, or folders that hold some',
    });
  return [...found].sort();
}

/** Partitions and views are in the plan alone; without one only what dbps.yaml names is known. */
async function savedPlan(config: Config): Promise<Plan | null> {
  const file = defaultPlanFile(config);
  return (await fs.stat(file).catch(() => null)) === null ? null : loadPlan(file);
}

function boundariesOf(config: Config, plan: Plan | null, service: string | null): LintBoundaries {
  const serviceOf = new Map<RelationId, string>();
  for (const planned of plan?.services ?? []) {
    if (planned.copies !== undefined) continue;
    const back = new SchemaRenaming(planned.schema, inverseSchemaMap(planned.schemaMap));
    for (const { id } of planned.schema.relations) serviceOf.set(back.relation(id), planned.name);
  }
  // dbps.yaml is newer than the plan, or as old.
  for (const { name, relations } of config.services) for (const { id } of relations) serviceOf.set(id, name);
  const copied = new Set<RelationId>();
  for (const { relations, owner } of config.shared)
    for (const { id } of relations) {
      if (owner !== null) serviceOf.set(id, owner);
      if (isCopied(plan, id, service)) copied.add(id);
    }
  return { defaultSchema: config.source.defaultSchema, serviceOf, copied, service };
}

/** Whoever reads a shared relation has a copy, unless the plan says that it cannot have one. */
function isCopied(plan: Plan | null, id: RelationId, reader: string | null): boolean {
  if (plan === null) return true;
  const copies = plan.services.filter((planned) => planned.copies?.owners[id] !== undefined);
  return reader === null ? copies.length > 0 : copies.some(({ name }) => name === copiesOf(reader));
}
