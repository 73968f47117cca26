/**
 * Can this run? Every database of the configuration is reached, its server and privileges are checked (the same code as the guard
 * preflight-clean), and what earlier runs left behind is listed. "Could not check" is an outcome of its own: it is neither well nor ill.
 */
import type { Config, ServiceConfig } from '../config/config.js';
import type { CaptureMethod, ReadOnlyDatabase, Trace } from '../engines/engine.js';
import type { ConnectionTarget } from '../model/connection-target.js';
import { ConfigError, DatabaseError, RefusedError } from '../model/errors.js';
import type { Finding } from '../model/finding.js';
import type { RelationId } from '../model/relation-id.js';
import type { TextRules } from '../model/text-rules.js';
import type { ServiceState } from '../state/state-store.js';
import { captureOf, openDatabase, openReadOnly } from './databases.js';
import { refuseSourceAsTarget } from './separate-databases.js';

export interface DoctorOptions {
  readonly services?: readonly string[];
  readonly isSourceOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface DoctorCheck {
  /** `source`, or the service whose database it is. */
  readonly where: string;
  readonly name: string;
  readonly outcome: 'ok' | 'problem' | 'skipped' | 'unknown';
  readonly detail: string;
  readonly finding: Finding | null;
}

export interface Leftover {
  readonly where: string;
  readonly trace: Trace;
}

export interface DoctorResult {
  readonly checks: readonly DoctorCheck[];
  readonly leftovers: readonly Leftover[];
  readonly problems: number;
  readonly skipped: number;
  readonly unknown: number;
}

interface Endpoint {
  readonly where: string;
  readonly service: ServiceConfig | null;
  readonly target: () => ConnectionTarget;
}

export async function doctor(config: Config, options: DoctorOptions = {}): Promise<DoctorResult> {
  const checks: DoctorCheck[] = config.warnings.map((finding) => ({
    where: 'dbps.yaml',
    name: 'configuration',
    outcome: 'problem',
    detail: finding.message,
    finding,
  }));
  const leftovers: Leftover[] = [];
  const alive = new Set<string>();
  /** Services that are on their own for good: nothing of theirs is in the shared database. */
  const gone = new Set<string>();
  let isStateKnown = false;
  /** Service → its relations with rules, which it will have on its own database too. */
  const ruled = new Map<string, readonly RelationId[]>();
  let sourceText: TextRules | undefined;
  for (const endpoint of endpoints(config, options)) {
    options.signal?.throwIfAborted();
    const opened = await reach(endpoint, checks, captureOf(config), gone, options.signal);
    if (opened === null) continue;
    try {
      if (endpoint.service === null) {
        const states = await readStates(endpoint.target());
        isStateKnown = true;
        for (const state of states) {
          if (hasTraces(state)) alive.add(state.service);
          else if (state.phase === 'decommissioned') gone.add(state.service);
        }
        checks.push(...states.flatMap((state) => leaseChecks(state)));
        sourceText = await opened.preflight.textRules();
        for (const { name, relations } of staying(config, options, gone))
          ruled.set(name, (await opened.preflight.ruled?.(relations.map(({ id }) => id))) ?? []);
      }
      const own = endpoint.service === null ? [...ruled.values()].flat() : ruled.get(endpoint.service.name);
      checks.push(
        ...(await preflight(opened, endpoint, config, { ruled: own ?? [], sourceText }, gone, options)),
      );
      // Without the state store everything would look like a leftover.
      if (isStateKnown) leftovers.push(...(await findLeftovers(opened, endpoint.where, config, alive)));
    } finally {
      await opened.close();
    }
  }
  checks.push(...leftovers.map(leftoverCheck));
  const count = (outcome: DoctorCheck['outcome']) =>
    checks.filter((check) => check.outcome === outcome).length;
  return {
    checks,
    leftovers,
    problems: count('problem'),
    skipped: count('skipped'),
    unknown: count('unknown'),
  };
}

function chosen(config: Config, { services = [] }: DoctorOptions): readonly ServiceConfig[] {
  return config.services.filter(({ name }) => services.length === 0 || services.includes(name));
}

/** Those that have relations in the shared database. */
const staying = (config: Config, options: DoctorOptions, gone: ReadonlySet<string>) =>
  chosen(config, options).filter(({ name }) => !gone.has(name));

function endpoints(config: Config, options: DoctorOptions): readonly Endpoint[] {
  const source: Endpoint = { where: 'source', service: null, target: () => config.source.target() };
  if (options.isSourceOnly === true) return [source];
  return [
    source,
    ...chosen(config, options).map((service): Endpoint => ({
      where: service.name,
      service,
      target: () => {
        refuseSourceAsTarget(config, service);
        if (service.target !== null) return service.target.target();
        const { file, line, column } = service.location;
        throw new ConfigError({
          code: 'DBPS_E205',
          message: `services.${service.name} has no target yet`,
          location: { file, line, column },
        });
      },
    })),
  ];
}

/** Reaching a database is a check itself; what cannot be reached cannot be checked further. */
async function reach(
  endpoint: Endpoint,
  checks: DoctorCheck[],
  capture: CaptureMethod,
  gone: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<ReadOnlyDatabase | null> {
  const add = (outcome: DoctorCheck['outcome'], detail: string) =>
    checks.push({ where: endpoint.where, name: 'reachable', outcome, detail, finding: null });
  try {
    const target = endpoint.target();
    const database = await openReadOnly(target, signal, capture);
    add('ok', target.toString());
    return database;
  } catch (error) {
    // A service's database may be decided later; without the shared one nothing at all has been looked at.
    if (error instanceof ConfigError && error.code === 'DBPS_E205' && endpoint.service !== null)
      add('skipped', error.message);
    else if (error instanceof DatabaseError && error.code === 'DBPS_E404' && endpoint.service !== null)
      add('skipped', `${endpoint.target().toString()} does not exist yet; provisioning creates it`);
    else if (error instanceof DatabaseError)
      // Who has moved for good may close the door.
      add(
        gone.has(endpoint.where) ? 'skipped' : 'unknown',
        `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`,
      );
    else throw error;
    return null;
  }
}

async function preflight(
  database: ReadOnlyDatabase,
  endpoint: Endpoint,
  config: Config,
  known: { readonly ruled: readonly RelationId[]; readonly sourceText: TextRules | undefined },
  gone: ReadonlySet<string>,
  options: DoctorOptions,
): Promise<readonly DoctorCheck[]> {
  const isSource = endpoint.service === null;
  if (gone.has(endpoint.where)) {
    const detail = 'decommissioned: its relations are in its own database alone';
    return [{ where: endpoint.where, name: 'phase', outcome: 'ok', detail, finding: null }];
  }
  const relations = isSource
    ? staying(config, options, gone).flatMap((service) => service.relations.map(({ id }) => id))
    : [];
  const checks = await database.preflight.checks({
    role: isSource ? 'source' : 'target',
    relations,
    ruled: known.ruled,
    ...(known.sourceText !== undefined && { otherText: known.sourceText }),
    walBudgetBytes: config.migration.walBudgetBytes,
    ...(endpoint.service !== null && { service: endpoint.service.name }),
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  const found = checks.map((check) => ({
    where: endpoint.where,
    name: check.name,
    outcome: check.outcome,
    detail: check.detail,
    finding: check.finding ?? null,
  }));
  if (!isSource) return found;
  const told = new Set(
    found.flatMap(({ finding }) => (finding === null ? [] : `${finding.code} ${finding.subject}`)),
  );
  const fences = await fenceChecks(database, staying(config, options, gone));
  return [
    ...found,
    ...fences.filter(({ finding }) => finding === null || !told.has(`${finding.code} ${finding.subject}`)),
  ];
}

/** What would stop a write cutover, or let writers round it: long before one, since an application may need another account for it. */
async function fenceChecks(
  database: ReadOnlyDatabase,
  services: readonly ServiceConfig[],
): Promise<readonly DoctorCheck[]> {
  const problems = new Map<string, Finding>();
  const doubts = new Map<string, Finding>();
  for (const { name, relations } of services) {
    const found = await database.fence
      .assess({ service: name, relations: relations.map(({ id }) => id), sequences: [] })
      .catch((error: unknown) => {
        // A relation that is not there: plan says so.
        if (error instanceof RefusedError) return [];
        throw error;
      });
    for (const finding of found)
      (finding.severity === 'error' ? problems : doubts).set(`${finding.code} ${finding.subject}`, finding);
  }
  const check = { where: 'source', name: 'fenceable' } as const;
  if (problems.size === 0) {
    const [doubt] = doubts.values();
    const more =
      doubts.size > 1 ? `; ${doubts.size} accounts could take a fence away` : doubt && `; ${doubt.message}`;
    const detail = `writers can be held during a cutover${more ?? ''}`;
    return services.length === 0 ? [] : [{ ...check, outcome: 'ok', detail, finding: null }];
  }
  return [...problems.values()].map((finding) => ({
    ...check,
    outcome: 'problem',
    detail: finding.message,
    finding,
  }));
}

async function readStates(source: ConnectionTarget): Promise<readonly ServiceState[]> {
  const { openStateStore } = await import('../state/knex-state-store.js');
  const store = openStateStore(source, { applicationName: 'dbps doctor' });
  try {
    return (await store.isInstalled()) ? await store.services() : [];
  } finally {
    await store.close();
  }
}

function hasTraces(state: ServiceState): boolean {
  return (
    (state.phase !== 'planned' && state.phase !== 'decommissioned') ||
    state.target !== null ||
    state.lease !== null
  );
}

function leaseChecks(state: ServiceState): readonly DoctorCheck[] {
  if (state.lease === null) return [];
  const isOver = Date.parse(state.lease.expiresAt) < Date.now();
  return [
    {
      where: state.service,
      name: 'lease',
      outcome: 'ok',
      detail: `${isOver ? 'expired, was' : 'held'} by ${state.lease.holder} on ${state.lease.host}, heartbeat ${state.lease.heartbeatAt}`,
      finding: null,
    },
  ];
}

async function findLeftovers(
  database: ReadOnlyDatabase,
  where: string,
  config: Config,
  alive: ReadonlySet<string>,
): Promise<readonly Leftover[]> {
  const services = [...new Set([...alive, ...config.services.map((service) => service.name)])];
  const traces = (await database.traces?.list(services)) ?? [];
  return traces
    .filter((trace) => trace.service === null || !alive.has(trace.service))
    .map((trace) => ({ where, trace }));
}

function leftoverCheck({ where, trace }: Leftover): DoctorCheck {
  const kept =
    trace.retainedBytes === null ? '' : ` and keeps ${Math.round(trace.retainedBytes / 1024 ** 2)} MB of log`;
  const message = `${trace.kind} ${trace.name} belongs to no service under way${kept}`;
  return {
    where,
    name: 'leftovers',
    outcome: 'problem',
    detail: message,
    finding: {
      code: 'RPL302',
      severity: 'warning',
      subject: `${trace.kind} ${trace.name}`,
      message,
      remedy: 'dbps doctor --fix',
      data: { where, kind: trace.kind, name: trace.name, retainedBytes: trace.retainedBytes },
    },
  };
}

/** Drops what `doctor` listed; nothing else. */
export async function removeLeftovers(
  config: Config,
  leftovers: readonly Leftover[],
  signal?: AbortSignal,
): Promise<void> {
  const places = new Map<string, Trace[]>();
  for (const { where, trace } of leftovers) places.set(where, [...(places.get(where) ?? []), trace]);
  for (const [where, traces] of places) {
    const service = config.services.find(({ name }) => name === where);
    const target = where === 'source' ? config.source.target() : service?.target?.target();
    if (target === undefined) continue;
    const database = await openDatabase(target, signal);
    try {
      await database.traces?.remove(traces);
    } finally {
      await database.close();
    }
  }
}

export interface ReleasedLease {
  readonly service: string;
  readonly holder: string;
  readonly host: string;
  readonly heartbeatAt: string;
}

export async function heldLeases(
  config: Config,
  services: readonly string[],
): Promise<readonly ReleasedLease[]> {
  const states = await readStates(config.source.target());
  const unknown = services.find((name) => !states.some((state) => state.service === name));
  if (unknown !== undefined)
    throw new RefusedError({
      code: 'DBPS_E303',
      message: `the state store does not know a service "${unknown}"`,
      hint: 'dbps status',
    });
  return states.flatMap(({ service, lease }) =>
    lease !== null && (services.length === 0 || services.includes(service))
      ? [{ service, holder: lease.holder, host: lease.host, heartbeatAt: lease.heartbeatAt }]
      : [],
  );
}

/** Frees leases by hand. A holder that still lives is refused from the next lease on, because that raises the epoch. */
export async function releaseLeases(config: Config, services: readonly string[]): Promise<void> {
  const { openStateStore } = await import('../state/knex-state-store.js');
  const store = openStateStore(config.source.target(), { applicationName: 'dbps doctor' });
  try {
    for (const { service, epoch, lease } of await store.services())
      if (lease !== null && (services.length === 0 || services.includes(service)))
        await store.releaseLease({ service, epoch });
  } finally {
    await store.close();
  }
}
