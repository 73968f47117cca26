/** Guards and steps by the names they have in the transitions table. A test walks the table and looks each one up. */
import { InternalError } from '../model/errors.js';
import { fenceObserved } from './guards/fence-observed.js';
import { fenceable } from './guards/fenceable.js';
import { noCopiesLeft } from './guards/no-copies-left.js';
import { noLegacyAccess } from './guards/no-legacy-access.js';
import { noRogueWrites } from './guards/no-rogue-writes.js';
import { noStayingDependants } from './guards/no-staying-dependants.js';
import { forwardCaptureAlive, reverseCaptureAlive } from './guards/capture-alive.js';
import { changedKeysFit } from './guards/changed-keys-fit.js';
import { fingerprintUnchanged } from './guards/fingerprint-unchanged.js';
import { lagBelowLimit } from './guards/lag-below-limit.js';
import { noLongTransactions } from './guards/no-long-transactions.js';
import { planCurrent } from './guards/plan-current.js';
import { preflightClean } from './guards/preflight-clean.js';
import { sharedCopies } from './guards/shared-copies.js';
import { sequenceHeadroom } from './guards/sequence-headroom.js';
import { soakElapsed } from './guards/soak-elapsed.js';
import { uniqueKeysHold } from './guards/unique-keys-hold.js';
import { targetEmpty } from './guards/target-empty.js';
import { verified } from './guards/verified.js';
import { walBudget } from './guards/wal-budget.js';
import type { Catalogue } from './orchestrator.js';
import type { Guard, Step } from './step-context.js';
import { archive } from './steps/archive.js';
import { armFences } from './steps/arm-fences.js';
import { attachCrossingKeys } from './steps/attach-crossing-keys.js';
import { closeTargetFence } from './steps/close-target-fence.js';
import { detachCrossingKeys } from './steps/detach-crossing-keys.js';
import { dropLegacy } from './steps/drop-legacy.js';
import { finalBarrier } from './steps/final-barrier.js';
import { openLegacy } from './steps/open-legacy.js';
import { openTarget } from './steps/open-target.js';
import { proveArchive } from './steps/prove-archive.js';
import { proveReverse } from './steps/prove-reverse.js';
import { publishOwner } from './steps/publish-owner.js';
import { removeTraces } from './steps/remove-traces.js';
import { resumeForward } from './steps/resume-forward.js';
import { retireLegacy } from './steps/retire-legacy.js';
import { startReverse } from './steps/start-reverse.js';
import { switchWrites } from './steps/switch-writes.js';
import { switchWritesBack } from './steps/switch-writes-back.js';
import { validateTargetKeys } from './steps/validate-target-keys.js';
import { beginSoak } from './steps/begin-soak.js';
import { buildKeys } from './steps/build-keys.js';
import { copy } from './steps/copy.js';
import { createDatabase } from './steps/create-database.js';
import { createForwardCapture, removeForwardCapture } from './steps/create-forward-capture.js';
import { createReverseCapture, removeReverseCapture } from './steps/create-reverse-capture.js';
import { createTargetSchema, dropTargetSchema } from './steps/create-target-schema.js';
import { emptyTarget } from './steps/empty-target.js';
import { installControl } from './steps/install-control.js';
import { publishNoReads, publishReadShare } from './steps/publish-read-share.js';
import { removeControl } from './steps/remove-control.js';
import { replay } from './steps/replay.js';
import { verifyCopy } from './steps/verify-copy.js';

const GUARDS: readonly Guard[] = [
  sharedCopies,
  noCopiesLeft,
  fenceable,
  uniqueKeysHold,
  fenceObserved,
  noRogueWrites,
  noStayingDependants,
  noLegacyAccess,
  planCurrent,
  preflightClean,
  targetEmpty,
  walBudget,
  lagBelowLimit,
  fingerprintUnchanged,
  noLongTransactions,
  forwardCaptureAlive,
  reverseCaptureAlive,
  sequenceHeadroom,
  soakElapsed,
  verified,
  changedKeysFit,
];

const STEPS: readonly Step[] = [
  archive,
  armFences,
  attachCrossingKeys,
  closeTargetFence,
  detachCrossingKeys,
  dropLegacy,
  finalBarrier,
  openLegacy,
  openTarget,
  proveArchive,
  proveReverse,
  publishOwner,
  removeTraces,
  resumeForward,
  retireLegacy,
  startReverse,
  switchWrites,
  switchWritesBack,
  validateTargetKeys,
  createDatabase,
  installControl,
  createTargetSchema,
  createReverseCapture,
  createForwardCapture,
  copy,
  replay,
  buildKeys,
  verifyCopy,
  publishReadShare,
  publishNoReads,
  beginSoak,
  removeForwardCapture,
  emptyTarget,
  removeReverseCapture,
  dropTargetSchema,
  removeControl,
];

const guards = new Map(GUARDS.map((guard) => [guard.name, guard]));
const steps = new Map(STEPS.map((step) => [step.name, step]));

export const CATALOGUE: Catalogue = {
  guard: (name) => found(guards.get(name), name),
  step: (name) => found(steps.get(name), name),
};

function found<T>(entry: T | undefined, name: string): T {
  if (entry !== undefined) return entry;
  throw new InternalError({
    code: 'DBPS_E901',
    message: `the transitions table names "${name}", which does not exist`,
  });
}
