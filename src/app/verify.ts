/**
 * `dbps verify`: both databases through read-only sessions, without the service's lease and beside whoever holds it. Nothing is
 * written; what is different is offered as SQL to read and run.
 */
import type { Config, ServiceConfig } from '../config/config.js';
import type { Direction, Key, ReadOnlyDatabase } from '../engines/engine.js';
import { reverseMaps } from '../migration/reverse-maps.js';
import { ConfigError, UsageError } from '../model/errors.js';
import type { EventSink } from '../model/events.js';
import type { Plan, ServicePlan } from '../model/plan.js';
import { parseRelationId, type RelationId } from '../model/relation-id.js';
import type { VerifyMode, VerifyResult } from '../model/verification.js';
import { relationMaps } from '../planning/relation-maps.js';
import type { StateStore } from '../state/state-store.js';
import { waitForPosition } from '../verification/position-barrier.js';
import { describeService } from '../verification/service-input.js';
import { verifyService } from '../verification/verify.js';
import { captureOf, openReadOnly } from './databases.js';
import { readDifferingRows, recordDifferingRows, type DifferingRows } from './differing-rows.js';
import { isLive, openStore, serviceConfig } from './move.js';

export interface VerifyOptions {
  readonly plan: Plan;
  readonly mode: VerifyMode;
  /** Names of services; absent or empty: all that have a target and are still on both sides. */
  readonly services?: readonly string[];
  /** Relations by their name in legacy, with or without the schema. */
  readonly only?: readonly string[];
  readonly isStrict?: boolean;
  /** `full` only: about so many rows of each relation, in ranges of the key chosen at random. */
  readonly sample?: { readonly rows: number; readonly random: () => number };
  /** Folder where keys of differing rows are kept for a recheck; undefined: nowhere. */
  readonly records?: string;
  /** Only rows on record there. */
  readonly recheck?: boolean;
  /** Rows shown in full for each relation; with `repair`, every row that was counted. */
  readonly shown?: number;
  readonly repair?: boolean;
  /** How long the other side may take to catch up, each time. Default 60 000. */
  readonly catchUpTimeoutMs?: number;
  readonly emit?: EventSink;
  readonly signal?: AbortSignal;
  readonly now: () => number;
}

export interface VerifyOutcome {
  readonly mode: VerifyMode;
  readonly isEqual: boolean;
  readonly services: readonly VerifyResult[];
  /** Statements for the sides that do not own the writes; null unless asked for or nothing differs. */
  readonly repairSql: string | null;
}

export async function verify(config: Config, options: VerifyOptions): Promise<VerifyOutcome> {
  const chosen = await onRecord(options, await choose(config, options));
  const legacy = await openReadOnly(config.source.target(), options.signal, captureOf(config));
  const store = openStore(config);
  const results: VerifyResult[] = [];
  const repairs: (string | null)[] = [];
  try {
    for (const { service, plan } of chosen) {
      if (service.target === null)
        throw new ConfigError({
          code: 'DBPS_E204',
          message: `${service.name} has no target`,
          hint: `services.${service.name}.target.url in dbps.yaml`,
          location: service.location,
        });
      const target = await openReadOnly(service.target.target(), options.signal, captureOf(config));
      try {
        const isDriven = () => hasRunner(store, service.name, options.now());
        const { result, repair } = await verifyOne(config, options, plan, legacy, target, isDriven);
        results.push(result);
        if (options.repair === true) repairs.push(repair);
      } finally {
        await target.close();
      }
    }
  } finally {
    await store.close();
    await legacy.close();
  }
  return {
    mode: options.mode,
    isEqual: results.every((result) => result.isEqual),
    services: results,
    repairSql: repairs.filter((text) => text !== null).join('\n') || null,
  };
}

async function verifyOne(
  config: Config,
  options: VerifyOptions,
  service: ServicePlan,
  legacy: ReadOnlyDatabase,
  target: ReadOnlyDatabase,
  isDriven: () => Promise<boolean | null>,
): Promise<{ readonly result: VerifyResult; readonly repair: string | null }> {
  const all = relationMaps(options.plan, service);
  const maps = select(all, options.only, service.name);
  const ownership = await legacy.fence.ownership(service.name);
  const direction: Direction = ownership?.owner === 'service' ? 'reverse' : 'forward';
  const [owning, following] = direction === 'forward' ? [legacy, target] : [target, legacy];
  const signal = options.signal ?? new AbortController().signal;
  const stream = { service: service.name, direction };
  const streamed = direction === 'forward' ? all : reverseMaps(all, service);
  const described = describeService(service, maps);
  const differing = new Map<RelationId, readonly Key[]>();
  const keys = options.recheck === true ? await keysOnRecord(options, service) : undefined;
  const result = await verifyService({
    service: service.name,
    source: legacy,
    target,
    maps,
    owner: direction === 'forward' ? 'source' : 'target',
    mode: options.mode,
    barrier: () =>
      waitForPosition({
        service: service.name,
        direction,
        owning,
        following,
        timeoutMs: options.catchUpTimeoutMs ?? 60_000,
        now: options.now,
        signal,
        isDriven,
      }),
    changed: {
      size: async () => (await following.control.readKeySets(service.name, direction)).changed,
      take: (map, limit) =>
        following.control.readChangedKeys(stream, streamed[all.indexOf(map)] ?? map, limit),
    },
    ...(keys !== undefined
      ? { keys }
      : options.mode === 'full'
        ? described
        : { expected: described.expected }),
    ...(options.sample !== undefined && { sample: options.sample }),
    onCompared: (relation, found) => differing.set(relation, found),
    chunkRows: config.migration.chunkRows,
    jobs: config.migration.jobs,
    ...(options.isStrict !== undefined && { isStrict: options.isStrict }),
    ...(options.repair === true
      ? { shown: Number.POSITIVE_INFINITY }
      : options.shown !== undefined && { shown: options.shown }),
    emit: options.emit ?? (() => undefined),
    signal,
    now: options.now,
  });
  // A sample that finds nothing says nothing of the rows on record.
  if (options.sample !== undefined)
    for (const [relation, found] of differing) if (found.length === 0) differing.delete(relation);
  if (options.records !== undefined && options.mode === 'full')
    await recordDifferingRows(options.records, service.name, differing);
  const where = direction === 'forward' ? `the database of ${service.name}` : 'the shared database';
  return {
    result,
    repair: repairSqlOf(result, where, following.checksum.repairFrame(service.name, direction)),
  };
}

/** null where the store does not know the service, or the account that verifies may not read it. */
async function hasRunner(store: StateStore, service: string, nowMs: number): Promise<boolean | null> {
  const states = await store.services().catch(() => []);
  const state = states.find((candidate) => candidate.service === service);
  return state === undefined ? null : isLive(state, nowMs);
}

/** Of services that nobody named, a recheck looks at those with something on record. */
async function onRecord<T extends { readonly plan: ServicePlan }>(
  options: VerifyOptions,
  chosen: readonly T[],
): Promise<readonly T[]> {
  if (options.recheck !== true || (options.services ?? []).length > 0) return chosen;
  const found: T[] = [];
  for (const service of chosen) if ((await recorded(options, service.plan)).size > 0) found.push(service);
  return found.length === 0 ? chosen.slice(0, 1) : found;
}

async function recorded(options: VerifyOptions, { name }: ServicePlan): Promise<DifferingRows> {
  return options.records === undefined ? new Map() : readDifferingRows(options.records, name);
}

async function keysOnRecord(options: VerifyOptions, service: ServicePlan): Promise<DifferingRows> {
  const keys = await recorded(options, service);
  if (keys.size === 0)
    throw new UsageError({
      code: 'DBPS_E114',
      message: `${service.name}: no rows are on record as different, so there is nothing to look at again`,
      hint: `dbps verify ${service.name}`,
    });
  return keys;
}

async function choose(
  config: Config,
  options: VerifyOptions,
): Promise<readonly { readonly service: ServiceConfig; readonly plan: ServicePlan }[]> {
  const wanted = options.services ?? [];
  const copies = options.plan.services.filter((service) => service.copies !== undefined);
  const all = [...config.services, ...copies.map(({ name }) => serviceConfig(config, name))];
  const unknown = wanted.find((name) => !all.some((service) => service.name === name));
  if (unknown !== undefined)
    throw new UsageError({
      code: 'DBPS_E103',
      message: `dbps.yaml has no service "${unknown}"`,
      hint: `one of: ${config.services.map((service) => service.name).join(', ')}`,
    });
  // Of a decommissioned service legacy has nothing left to compare with.
  const gone = wanted.length === 0 ? await notToCompare(config, copies) : new Set<string>();
  return all
    .filter((service) =>
      wanted.length === 0
        ? service.target !== null && !gone.has(service.name)
        : wanted.includes(service.name),
    )
    .map((service) => {
      const plan = options.plan.services.find((candidate) => candidate.name === service.name);
      if (plan === undefined)
        throw new UsageError({
          code: 'DBPS_E108',
          message: `the plan has no service "${service.name}"`,
          hint: 'dbps plan',
        });
      return { service, plan };
    });
}

/** What has nothing left in legacy, and copies that nobody has asked for yet. */
async function notToCompare(config: Config, copies: readonly ServicePlan[]): Promise<ReadonlySet<string>> {
  const store = openStore(config);
  try {
    const states = await store.services();
    const inPhase = (phase: string) => states.filter((s) => s.phase === phase).map((s) => s.service);
    const made = new Set(inPhase('dual-write'));
    return new Set([
      ...inPhase('decommissioned'),
      ...copies.map(({ name }) => name).filter((name) => !made.has(name)),
    ]);
  } finally {
    await store.close();
  }
}

function select<M extends { readonly source: RelationId }>(
  maps: readonly M[],
  only: readonly string[] | undefined,
  service: string,
): readonly M[] {
  if (only === undefined || only.length === 0) return maps;
  const isNamed = (map: M) =>
    only.some((name) => name === map.source || name === parseRelationId(map.source).name);
  const unknown = only.find(
    (name) => !maps.some((map) => name === map.source || name === parseRelationId(map.source).name),
  );
  if (unknown !== undefined)
    throw new UsageError({
      code: 'DBPS_E103',
      message: `${service} has no relation "${unknown}"`,
      hint: `one of: ${maps.map((map) => map.source).join(', ')}`,
    });
  return maps.filter(isNamed);
}

function repairSqlOf(
  result: VerifyResult,
  where: string,
  frame: { readonly before: string; readonly after: string },
): string | null {
  const statements = result.relations.flatMap((relation) =>
    relation.differences.length === 0
      ? []
      : [
          `-- ${relation.relation}, ${relation.differing} rows`,
          ...relation.differences.map((difference) => difference.repairSql),
        ],
  );
  if (statements.length === 0) return null;
  const heading = `-- ${result.service}: run in ${where}, as the role that dbps runs as`;
  return `${[heading, frame.before, ...statements, frame.after].join('\n')}\n`;
}
