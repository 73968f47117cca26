/** Who may write, and the cutover. */
import type { Finding } from '../../model/finding.js';
import type { RelationId } from '../../model/relation-id.js';
import type { SequenceState } from './checksum.js';
import type { Statement } from './ddl.js';
import type { Checkpoint, Ownership } from './identity.js';

/** Observed, not remembered: what the database itself says about who may write. */
export interface FenceState {
  readonly relation: RelationId;
  readonly state: 'absent' | 'open' | 'closed' | 'damaged';
  readonly detail?: string;
}

/** What a read-only session can say of fences: for status, guards and --dry-run. */
export interface FenceObserver {
  observe(service: string, relations: readonly RelationId[]): Promise<readonly FenceState[]>;
  /**
   * Everything that would stop a fence from closing over these relations, or let writers round it (error), and who could take it away
   * (warning).
   */
  assess(request: FenceRequest): Promise<readonly Finding[]>;
  /** This database's row of who owns the service's writes; null when there is none. */
  ownership(service: string): Promise<OwnershipRow | null>;
  /** Sequences that a closed fence has bounded, with the bounds that opening restores. */
  fencedSequences(service: string): Promise<readonly Pick<SequenceState, 'id' | 'minimum' | 'maximum'>[]>;
  /** Sessions other than dbps's own that touch the relations now. */
  access(relations: readonly RelationId[]): Promise<readonly RelationAccess[]>;
  /** What the server has counted of statements that name the relations, of all roles but dbps's own. Absent: it counts none. */
  usage?(relations: readonly RelationId[]): Promise<RelationUsage>;
}

export interface RelationUsage {
  /** One a statement and role; null where the server does not count, or does not show. */
  readonly counts: readonly { readonly id: string; readonly user: string; readonly calls: number }[] | null;
  /** Why not, for people. */
  readonly reason?: string;
}

export interface FenceRequest {
  readonly service: string;
  readonly relations: readonly RelationId[];
  readonly sequences: readonly RelationId[];
}

/**
 * Each database says whether it owns a service's writes; the row changes in the transaction that closes or opens its fence. The row with
 * the higher revision is the newer truth, so that two rows that disagree say which way to roll forward.
 */
export interface OwnershipRow {
  readonly owner: 'legacy' | 'service';
  readonly epoch: number;
  readonly revision: number;
}

export interface RelationAccess {
  readonly relation: RelationId;
  readonly user: string;
  readonly detail: string;
}

/**
 * Refuses writes to a service's relations with all their descendants. Every closing holds locks that drain writers first; opening is a body
 * swap, for which nobody waits.
 */
export interface Fence extends FenceObserver {
  /**
   * Where the fence is a control row: all of it that takes DDL, well before a cutover, while nobody waits. The triggers (they let everybody
   * through until the row says otherwise) and of what the opening was to create all that may be there before. Idempotent; absent where the
   * commit itself makes the fence. @returns what had to be done, in words.
   */
  arm?(
    owner: Ownership,
    relations: readonly RelationId[],
    options: Pick<FenceOptions, 'applier'>,
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /** Puts the service's relations behind a closed fence at once (the target, before anything owns it). */
  close(owner: Ownership, relations: readonly RelationId[], options: CloseOptions): Promise<void>;
  /**
   * One transaction: body swap, user triggers enabled, foreign keys restored (not yet validated), ownership row written. Idempotent.
   * @throws RefusedError when the ownership row already holds a higher revision.
   */
  open(owner: Ownership, relations: readonly RelationId[], options: OpenFenceOptions): Promise<void>;
  /** Removes it in small retries. Idempotent. */
  remove(owner: Ownership, relations: readonly RelationId[], signal?: AbortSignal): Promise<void>;
  /** One session that holds writers of all relations waiting until it commits or dies. */
  hold(owner: Ownership, relations: readonly RelationId[], options: HoldOptions): Promise<HeldFence>;
  /**
   * Zero-row writes, rolled back: proves that writing works, or names what refuses. As the given role, with just the writes it was
   * granted; undefined: as this session's own, without the applier's pass.
   */
  proveWritable(
    relations: readonly RelationId[],
    role?: string,
  ): Promise<readonly { readonly relation: RelationId; readonly error: string }[]>;

  /**
   * Makes the closed side fit to be applied to: identities take the owner's values, and where the applier cannot be a replica, foreign keys among
   * the relations go. Remembered, as by detachKeys. Idempotent.
   */
  prepareApplier(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * Takes foreign keys away in small retries (readers would queue behind one long wait) and remembers them: `inner` keys have both ends among
   * the relations, `crossing` ones exactly one. Idempotent.
   */
  detachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /** Restores what detachKeys took and opening could not do at once; then validates. A key that rows break is returned, and stays unvalidated. */
  attachKeys(
    owner: Ownership,
    relations: readonly RelationId[],
    scope: KeyScope,
    signal?: AbortSignal,
  ): Promise<readonly BrokenKey[]>;

  /** Sets sequences so that none gives a value the other side has given, and lifts their fence. @throws RefusedError without room. */
  advanceSequences(owner: Ownership, advances: readonly SequenceAdvance[]): Promise<void>;
}

/** Takes relations away for good, in small retries: readers that are still there must not queue behind it. */
export interface Retirement {
  /** Takes every privilege from everybody but the owner, then renames (`dbps_retired_…`), so that whoever still uses one is heard of. */
  retire(
    owner: Ownership,
    relations: readonly RelationId[],
    signal?: AbortSignal,
  ): Promise<readonly RetiredRelation[]>;
  retired(service: string): Promise<readonly RetiredRelation[]>;
  /** Drops what was retired. @throws RefusedError when something depends on it (RESTRICT). */
  drop(owner: Ownership, signal?: AbortSignal): Promise<void>;
}

export interface RetiredRelation {
  readonly relation: RelationId;
  readonly renamedTo: RelationId;
  readonly at: string;
}

export type KeyScope = 'inner' | 'crossing';

export interface BrokenKey {
  readonly relation: RelationId;
  readonly name: string;
  readonly error: string;
  /** What to do once the rows are mended, in this engine's SQL where it takes any. */
  readonly remedy: string;
}

export interface SequenceAdvance {
  readonly id: RelationId;
  /** What the other side would have given next. */
  readonly peer: SequenceState;
  /** Sessions of the other side that may still hold cached values. */
  readonly clients: number;
}

export interface FenceOptions {
  /** Session user that passes, in sessions that dbps opened: the applier's. */
  readonly applier: string;
  readonly lockTimeoutMs: number;
  /** What the error tells an application that is refused. */
  readonly message: string;
}

export interface CloseOptions extends FenceOptions {
  /** Who owns the writes meanwhile. */
  readonly newOwner: 'legacy' | 'service';
  /**
   * Run by the opening: in its transaction, so that triggers and keys hold from the first write on; what would have to wait for readers
   * and only makes the shape stricter (identity) by attachKeys.
   */
  readonly whenOpening?: readonly Pick<Statement, 'sql' | 'unless' | 'settings'>[];
}

export interface DetachedKey {
  readonly relation: RelationId;
  readonly name: string;
  /** `FOREIGN KEY (…) REFERENCES …`, without NOT VALID. */
  readonly definition: string;
  /** False: it was not valid before either, and stays so. */
  readonly isValidated: boolean;
}

export interface OpenFenceOptions extends FenceOptions {
  readonly ownership: OwnershipRow;
}

export interface HoldOptions extends FenceOptions {
  /** The server ends the session (and with it the locks) when dbps is silent this long. */
  readonly pauseBudgetMs: number;
  readonly attempts: number;
  /** Held too, so that they cannot move and can be fenced at the commit. */
  readonly sequences: readonly RelationId[];
  readonly signal?: AbortSignal;
}

/** From here writers wait; nobody gets an error. Dropping it is a rollback by the server. */
export interface HeldFence {
  /** Since the attempt that succeeded began to lock: how long writers may have waited by now. */
  heldMs(): number;
  readonly attempts: number;
  /** Relations with all descendants, listed behind the locks. */
  readonly relations: readonly RelationId[];
  /** As they stand behind the locks. */
  readonly sequences: readonly SequenceState[];
  /** Sessions on this database, as a bound for who may hold cached sequence values. */
  readonly clients: number;
  /** The schema as it stands under the locks. */
  fingerprint(): Promise<string>;
  /**
   * The commit point, one transaction: fence triggers, sequences fenced, user triggers off, ownership by compare-and-set with the epoch, the
   * opposite stream's checkpoint stored, COMMIT. Resolves only when the outcome is known; a lost answer is settled by locking and reading the
   * ownership row. @throws InterruptedError when the row cannot be read.
   */
  commit(commitPoint: CommitPoint): Promise<'committed' | 'not-committed'>;
  /** Idempotent; also after the session was lost. */
  rollback(): Promise<void>;
}

export interface CommitPoint {
  readonly newOwner: 'legacy' | 'service';
  readonly expectedOwner: 'legacy' | 'service';
  /** The other database's revision: the new one is higher than both. */
  readonly peerRevision: number;
  /** Where the opposite stream starts. */
  readonly reverseStart: Checkpoint;
  /** Called when everything but COMMIT has been done: tests stop here. */
  readonly beforeCommit?: () => Promise<void>;
}
