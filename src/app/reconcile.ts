/** Writes that reached legacy behind the fence: what they are, and the decision about them. */
import type { Config } from '../config/config.js';
import { keysToHeal } from '../migration/reconcile.js';
import {
  openRogueWrites,
  readVersions,
  rogueFinding,
  type RogueVersions,
} from '../migration/rogue-writes.js';
import { ConfigError, RefusedError } from '../model/errors.js';
import type { Finding } from '../model/finding.js';
import { relationMaps } from '../planning/relation-maps.js';
import { captureOf, openReadOnly } from './databases.js';
import { openStore, planFor, serviceConfig, type MoveOptions } from './move.js';
import { perform, type PerformOptions, type PerformResult } from './perform.js';

export interface RogueWrites {
  readonly service: string;
  /** Undecided ones, oldest first, with both versions as they are now. */
  readonly writes: readonly RogueVersions[];
  readonly findings: readonly Finding[];
  /** Why `--keep-owner` would not settle them; null: it would. */
  readonly refusal: { readonly code: string; readonly message: string; readonly hint: string | null } | null;
}

/** Looks only. */
export async function listRogueWrites(
  config: Config,
  service: string,
  options: MoveOptions,
): Promise<RogueWrites> {
  const store = openStore(config);
  try {
    const state = await store.service(service);
    const undecided = openRogueWrites(await store.history(service, 100_000));
    if (state === null || undecided.length === 0) return { service, writes: [], findings: [], refusal: null };
    const plan = await planFor(config, store, state, options.planFile);
    const planned = plan.services.find(({ name }) => name === service);
    const { target: endpoint, location } = serviceConfig(config, service);
    if (planned === undefined)
      throw new RefusedError({
        code: 'DBPS_E303',
        message: `the plan has no service "${service}"`,
        hint: 'dbps plan',
      });
    if (endpoint === null)
      throw new ConfigError({
        code: 'DBPS_E204',
        message: `${service} has no target`,
        hint: `services.${service}.target.url in dbps.yaml`,
        location,
      });
    const legacy = await openReadOnly(config.source.target(), options.signal, captureOf(config));
    try {
      const target = await openReadOnly(endpoint.target(), options.signal, captureOf(config));
      try {
        const maps = relationMaps(plan, planned);
        const writes = await readVersions({ legacy, target, maps }, undecided);
        const owner = (await store.route(service))?.owner ?? 'legacy';
        return {
          service,
          writes,
          findings: writes.map((versions) => rogueFinding(service, versions)),
          refusal: refusalOf(() => keysToHeal({ maps, service: planned }, undecided, owner)),
        };
      } finally {
        await target.close();
      }
    } finally {
      await legacy.close();
    }
  } finally {
    await store.close();
  }
}

function refusalOf(ask: () => unknown): RogueWrites['refusal'] {
  try {
    ask();
    return null;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint ?? null };
  }
}

/** The owner's rows stand: legacy's are made like them, and the writes are settled. */
export function keepOwner(config: Config, service: string, options: PerformOptions): Promise<PerformResult> {
  return perform(config, service, { kind: 'reconcile' }, options);
}
