/**
 * Writes that reached a database after it had given them away: by a disabled trigger, the replica role, a partition without fence. The
 * journal holds each as the log showed it. They are never merged by themselves: both versions are shown, with the SQL that carries legacy's over
 * where that is wanted, and somebody decides that the owner's rows stand (migration/reconcile.ts; `--keep-owner` of a transition does the same
 * when both sides were made equal by hand). The decision is written down and settles what was found before it.
 */
import { canonicalKey } from '../engines/canonical-columns.js';
import type { ChangeTransaction, ReadOnlyDatabase, RelationMap } from '../engines/engine.js';
import { keyOn } from '../engines/relation-sides.js';
import type { Finding } from '../model/finding.js';
import type { JournalEntry } from '../state/state-store.js';
import { agreeOnMethod } from '../verification/compare-methods.js';
import { ROGUE_DECISION, ROGUE_WRITE, TRANSITION_ITSELF } from './journal.js';
import type { RogueChange, TransitionParameters } from './step-context.js';

/** What a side that does not own the writes has accepted all the same; nothing for what dbps wrote itself. Pure. */
export function rogueChangesIn(transaction: ChangeTransaction): RogueChange[] {
  if (transaction.isOwn) return [];
  return transaction.changes.flatMap((change) => {
    const maps = change.kind === 'truncate' ? change.maps : [change.map];
    return maps.map((map) => {
      const key =
        change.kind === 'truncate'
          ? null
          : change.kind === 'delete'
            ? change.key
            : ((change.kind === 'update' ? change.oldKey : null) ??
              map.key.map((name) => String(change.values[map.columns.findIndex((c) => c.name === name)])));
      return { relation: map.source, kind: change.kind, key, position: transaction.commit };
    });
  });
}

export interface RogueWrite extends RogueChange {
  readonly entry: number;
  readonly at: string;
}

/** Undecided ones. Pure. */
export function openRogueWrites(history: readonly JournalEntry[]): RogueWrite[] {
  const settledUpTo = Math.max(0, ...history.filter(isDecision).map(({ id }) => id));
  return history
    .filter(
      ({ id, step, transition }) => step === ROGUE_WRITE && transition === 'forward' && id > settledUpTo,
    )
    .map(({ id, at, data }) => ({ ...(data as RogueChange), entry: id, at }));
}

function isDecision({ step, event, data }: JournalEntry): boolean {
  if (step === ROGUE_DECISION) return true;
  if (step !== TRANSITION_ITSELF || event !== 'started') return false;
  const { parameters } = (data ?? {}) as { readonly parameters?: TransitionParameters };
  return parameters?.keepOwner === true;
}

export interface RogueVersions {
  readonly write: RogueWrite;
  /** Column → text, null where there is no such row. */
  readonly legacy: Readonly<Record<string, string | null>> | null;
  readonly service: Readonly<Record<string, string | null>> | null;
  /** SQL of the service database that carries legacy's version over; null where there is nothing to carry. */
  readonly carrySql: string | null;
  /** SQL of legacy that gives it the owner's version, which is what keeping the owner's rows comes to; null where both are the same. */
  readonly keepSql: string | null;
}

/** Both versions as they are now. A write without a key (TRUNCATE) has none. */
export async function readVersions(
  context: {
    readonly legacy: ReadOnlyDatabase;
    readonly target: ReadOnlyDatabase;
    readonly maps: readonly RelationMap[];
  },
  writes: readonly RogueWrite[],
): Promise<RogueVersions[]> {
  const found: RogueVersions[] = [];
  for (const write of writes) {
    const map = context.maps.find(
      ({ source, leaves }) => source === write.relation || leaves.includes(write.relation),
    );
    if (map === undefined || write.key === null) {
      found.push({ write, legacy: null, service: null, carrySql: null, keepSql: null });
      continue;
    }
    const method = await agreeOnMethod({ source: context.legacy, target: context.target }, map, false);
    const key = canonicalKey(keyOn(map, 'source', method), write.key);
    const [legacy, service] = await Promise.all([
      context.legacy.checksum.rows(map, [key], method, 'source'),
      context.target.checksum.rows(map, [key], method, 'target'),
    ]);
    const named = (rows: typeof legacy) =>
      rows[0] === undefined
        ? null
        : Object.fromEntries(map.columns.map(({ name }, index) => [name, rows[0]?.values[index] ?? null]));
    const isSame = JSON.stringify(legacy[0]?.values) === JSON.stringify(service[0]?.values);
    const carrySql = isSame
      ? null
      : context.target.checksum.repairSql(map, key, legacy[0]?.values ?? null, method, 'target');
    const keepSql = isSame
      ? null
      : context.legacy.checksum.repairSql(map, key, service[0]?.values ?? null, method, 'source');
    found.push({ write, legacy: named(legacy), service: named(service), carrySql, keepSql });
  }
  return found;
}

export function rogueFinding(
  service: string,
  { write, legacy, service: owner, carrySql }: RogueVersions,
): Finding {
  const subject = `${write.relation}${write.key === null ? '' : ` (${write.key.join(', ')})`}`;
  return {
    code: 'VRF501',
    severity: 'error',
    subject,
    relation: write.relation,
    service,
    message: `legacy accepted a ${write.kind} of ${subject} at ${write.at}, though ${service} owns the writes`,
    remedy: `dbps migrate reconcile ${service}`,
    data: { position: write.position, legacy, service: owner, entry: write.entry, carrySql },
  };
}
