/** dbps.yaml + the shared database as it is now → plan; saved plans, and how they differ. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/config.js';
import type { Capabilities, Ddl } from '../engines/engine.js';
import type { EngineName } from '../model/database-schema.js';
import { ConfigError, UsageError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';
import type { Boundaries, ServiceBoundary } from '../planning/boundaries.js';
import { hashPlan, makePlan } from '../planning/make-plan.js';
import { comparePlans, withoutOwnChanges, type PlanDifference } from '../planning/plan-diff.js';
import { captureOf, engineOf, openReadOnly } from './databases.js';
import { refuseSharedTargets, refuseSourceAsTarget } from './separate-databases.js';

export interface PlanOptions {
  /** ISO 8601; no part of the plan's hash. */
  readonly createdAt: string;
  readonly signal?: AbortSignal;
}

/** Where `dbps plan` writes and every later command reads, unless told otherwise. */
export const defaultPlanFile = (config: Pick<Config, 'directory'>): string =>
  path.join(config.directory, 'dbps', 'plan.json');

export function boundariesOf(config: Config): Boundaries {
  return {
    defaultSchema: config.source.defaultSchema,
    exclude: config.source.exclude,
    services: config.services.map((service) => ({
      name: service.name,
      location: service.location,
      relations: service.relations,
      targetEngine: service.target?.engine ?? config.source.engine,
      targetSchema: service.target?.schema ?? null,
    })),
    shared: config.shared,
    references: config.references,
  };
}

/**
 * Where a schema is a database, a service's relations go into the one that its target names; coming from such a place they go into the ordinary schema.
 */
async function withTargetSchemas(
  config: Config,
  source: Capabilities,
  boundaries: Boundaries,
): Promise<Boundaries> {
  const services = await Promise.all(
    boundaries.services.map(async (boundary, index): Promise<ServiceBoundary> => {
      const target = config.services[index]?.target ?? null;
      if (boundary.targetSchema !== null || target === null) return boundary;
      const { capabilities } = await engineOf(target);
      if (capabilities.schemasAreDatabases) return { ...boundary, targetSchema: target.target().database };
      return source.schemasAreDatabases ? { ...boundary, targetSchema: 'public' } : boundary;
    }),
  );
  return { ...boundaries, services };
}

async function adoptersFor(
  source: EngineName,
  boundaries: Boundaries,
): Promise<Partial<Record<EngineName, Ddl['adopt']>>> {
  const others = new Set(boundaries.services.map((service) => service.targetEngine));
  others.delete(source);
  const pairs = await Promise.all(
    [...others].map(async (engine) => [engine, (await engineOf({ engine })).ddl.adopt] as const),
  );
  return Object.fromEntries(pairs);
}

/** @throws ConfigError with file and line when dbps.yaml does not fit the database. */
export async function planSplit(config: Config, options: PlanOptions): Promise<Plan> {
  if (config.services.length === 0)
    throw new ConfigError({
      code: 'DBPS_E225',
      message: 'dbps.yaml has no services yet',
      hint: 'dbps analyze --write proposes them',
      location: { file: config.file, line: 1 },
    });
  for (const service of config.services) refuseSourceAsTarget(config, service);
  const database = await openReadOnly(config.source.target(), options.signal, captureOf(config));
  try {
    const schema = await database.introspector.read({
      ...(config.source.schemas !== undefined && { schemas: config.source.schemas }),
      ...(options.signal !== undefined && { signal: options.signal }),
    });
    const boundaries: Boundaries = {
      ...(await withTargetSchemas(config, database.capabilities, boundariesOf(config))),
      ...(database.changes.followsApplied !== true && {
        noCopies: 'the way changes are captured here passes over what dbps itself applies',
      }),
    };
    const plan = makePlan(
      schema,
      boundaries,
      options.createdAt,
      await adoptersFor(schema.engine, boundaries),
    );
    refuseSharedTargets(config, plan);
    return plan;
  } finally {
    await database.close();
  }
}

/** Pretty-printed, so that a plan can be read and committed. */
export async function writePlan(file: string, plan: Plan): Promise<void> {
  try {
    await fs.mkdir(path.dirname(file), { recursive: true });
    // Whole or not at all: a later command must not read half a plan.
    await fs.writeFile(`${file}.tmp`, `${JSON.stringify(plan, null, 2)}\n`);
    await fs.rename(`${file}.tmp`, file);
  } catch (cause) {
    throw new UsageError({
      code: 'DBPS_E105',
      message: `cannot write ${file}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`,
      hint: 'check the folder and its permissions',
      cause,
    });
  }
}

/** @throws UsageError when the file is missing, is no plan, or was changed by hand (its hash no longer fits). */
export async function loadPlan(file: string): Promise<Plan> {
  const refuse = (message: string, cause?: unknown): never => {
    throw new UsageError({
      code: 'DBPS_E108',
      message,
      hint: 'dbps plan',
      ...(cause !== undefined && { cause }),
    });
  };
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (cause) {
    return refuse(`there is no plan at ${file}`, cause);
  }
  let plan: Plan;
  try {
    plan = JSON.parse(text) as Plan;
  } catch (cause) {
    return refuse(`${file} is not a plan`, cause);
  }
  if (plan.version !== 1 || !Array.isArray(plan.services))
    return refuse(`${file} is not a plan of this version`);
  const { hash, ...rest } = plan;
  if (hashPlan(rest) !== hash)
    return refuse(`${file} was changed after it was written: its hash does not fit`);
  return plan;
}

export interface PlanDiff {
  readonly before: string;
  /** null: the database and dbps.yaml no longer make a plan at all. */
  readonly after: string | null;
  readonly differences: readonly PlanDifference[];
}

export function diffPlans(before: Plan, after: Plan): PlanDiff {
  return { before: before.hash, after: after.hash, differences: comparePlans(before, after) };
}

/** Services whose writes have left the shared database, and those whose relations are gone from it. */
async function movedServices(
  config: Config,
): Promise<{ readonly moved: readonly string[]; readonly gone: readonly string[] }> {
  const { openStateStore } = await import('../state/knex-state-store.js');
  const store = openStateStore(config.source.target(), { applicationName: 'dbps plan diff' });
  try {
    const states = (await store.isInstalled()) ? await store.services() : [];
    const inPhase = (...phases: readonly string[]) =>
      states.filter((state) => phases.includes(state.phase)).map((state) => state.service);
    return { moved: inPhase('write-cutover', 'sync', 'decommissioned'), gone: inPhase('decommissioned') };
  } finally {
    await store.close();
  }
}

/** Drift: the saved plan against what dbps.yaml and the database would give now, dbps's own doing left out. */
export async function diffPlanWithLive(
  config: Config,
  before: Plan,
  options: PlanOptions,
): Promise<PlanDiff> {
  const { moved, gone } = await movedServices(config);
  const there: Config = {
    ...config,
    services: config.services.filter(({ name }) => !gone.includes(name)),
    shared: config.shared
      .filter(({ owner }) => owner === null || !gone.includes(owner))
      .map((entry) => ({ ...entry, readers: entry.readers.filter((name) => !gone.includes(name)) })),
  };
  if (there.services.length === 0) return { before: before.hash, after: before.hash, differences: [] };
  try {
    const now = await planSplit(there, options);
    return {
      before: before.hash,
      after: now.hash,
      differences: withoutOwnChanges(comparePlans(before, now), before, moved),
    };
  } catch (error) {
    // A relation that is in no service now is drift, not a mistake of whoever asks what has drifted.
    if (!(error instanceof ConfigError) || !/^DBPS_E22[0-4]$/.test(error.code)) throw error;
    return {
      before: before.hash,
      after: null,
      differences: [
        { service: null, object: 'dbps.yaml', what: 'changed', detail: error.message, effect: null },
      ],
    };
  }
}
