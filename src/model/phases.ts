/**
 * The life of a service, as one literal table. Status, plan, docs, diagrams and the orchestrator all read
 * this; nothing else knows which phase follows which. Guards and steps are named here and implemented in
 * migration/guards and migration/steps under the same names (a test walks the table and looks each one up).
 */
export const PHASES = [
  'planned',
  'provisioned',
  'dual-write',
  'read-cutover',
  'write-cutover',
  'sync',
  'decommissioned',
] as const;
export type Phase = (typeof PHASES)[number];

/** What is happening: a fact of its own, beside the phase and beside where traffic goes. */
export type Activity = 'idle' | 'running' | 'blocked' | 'paused' | 'failed';

export interface Transition {
  readonly from: Phase;
  readonly to: Phase;
  readonly direction: 'forward' | 'back';
  readonly guards: readonly string[];
  readonly steps: readonly string[];
  readonly confirmation: 'reversible' | 'irreversible';
  /** One line for status, docs and --dry-run. */
  readonly summary: string;
}

export const TRANSITIONS = [
  {
    from: 'planned',
    to: 'provisioned',
    direction: 'forward',
    guards: ['plan-current', 'preflight-clean', 'target-empty'],
    steps: [
      'create-database',
      'install-control',
      'create-target-schema',
      'close-target-fence',
      'create-reverse-capture',
    ],
    confirmation: 'reversible',
    summary: 'create the service database: schema, roles, a closed fence, capture on the target',
  },
  {
    from: 'provisioned',
    to: 'dual-write',
    direction: 'forward',
    guards: ['plan-current', 'preflight-clean', 'wal-budget'],
    steps: ['create-forward-capture', 'copy', 'replay', 'build-keys', 'verify-copy'],
    confirmation: 'reversible',
    summary: 'capture every committed write, copy what is there, replay until both sides converge',
  },
  {
    from: 'dual-write',
    to: 'read-cutover',
    direction: 'forward',
    guards: ['plan-current', 'shared-copies', 'fingerprint-unchanged', 'lag-below-limit', 'verified'],
    steps: ['publish-read-share'],
    confirmation: 'reversible',
    summary: 'send a chosen share of reads to the service database',
  },
  {
    from: 'read-cutover',
    to: 'write-cutover',
    direction: 'forward',
    guards: [
      'plan-current',
      'fingerprint-unchanged',
      'lag-below-limit',
      'verified',
      'changed-keys-fit',
      'no-long-transactions',
      'reverse-capture-alive',
      'sequence-headroom',
      'unique-keys-hold',
      'fenceable',
    ],
    steps: [
      'arm-fences',
      'detach-crossing-keys',
      'switch-writes',
      'open-target',
      'publish-owner',
      'start-reverse',
      'prove-reverse',
    ],
    confirmation: 'reversible',
    summary: 'the service database takes the writes; legacy is fenced and kept current by reverse capture',
  },
  {
    from: 'write-cutover',
    to: 'sync',
    direction: 'forward',
    guards: ['reverse-capture-alive', 'no-rogue-writes', 'fence-observed'],
    steps: ['validate-target-keys', 'begin-soak'],
    confirmation: 'reversible',
    summary: 'soak: both sides are compared, rogue writes in legacy are found, rollback stays lossless',
  },
  {
    from: 'sync',
    to: 'decommissioned',
    direction: 'forward',
    guards: [
      'plan-current',
      'soak-elapsed',
      'verified',
      'no-rogue-writes',
      'fence-observed',
      'no-staying-dependants',
      'no-copies-left',
      'no-legacy-access',
    ],
    steps: ['final-barrier', 'archive', 'prove-archive', 'retire-legacy', 'drop-legacy', 'remove-traces'],
    confirmation: 'irreversible',
    summary: 'archive, rename and drop the legacy relations; leave nothing of dbps behind',
  },
  {
    from: 'provisioned',
    to: 'planned',
    direction: 'back',
    guards: [],
    steps: ['remove-reverse-capture', 'drop-target-schema', 'remove-control'],
    confirmation: 'reversible',
    summary: 'drop what dbps created in the service database',
  },
  {
    from: 'dual-write',
    to: 'provisioned',
    direction: 'back',
    guards: [],
    steps: ['empty-target', 'remove-forward-capture'],
    confirmation: 'reversible',
    summary: 'stop capture and empty the service database',
  },
  {
    from: 'read-cutover',
    to: 'dual-write',
    direction: 'back',
    guards: [],
    steps: ['publish-no-reads'],
    confirmation: 'reversible',
    summary: 'send all reads back to legacy',
  },
  {
    from: 'write-cutover',
    to: 'read-cutover',
    direction: 'back',
    guards: [
      'lag-below-limit',
      'fingerprint-unchanged',
      'forward-capture-alive',
      'no-rogue-writes',
      'no-long-transactions',
      'sequence-headroom',
      'unique-keys-hold',
    ],
    steps: ['switch-writes-back', 'open-legacy', 'publish-owner', 'resume-forward', 'attach-crossing-keys'],
    confirmation: 'reversible',
    summary: 'the same cutover with the roles swapped, fed by reverse capture: nothing written since is lost',
  },
  {
    from: 'sync',
    to: 'read-cutover',
    direction: 'back',
    guards: [
      'lag-below-limit',
      'fingerprint-unchanged',
      'forward-capture-alive',
      'no-rogue-writes',
      'no-long-transactions',
      'sequence-headroom',
      'unique-keys-hold',
    ],
    steps: ['switch-writes-back', 'open-legacy', 'publish-owner', 'resume-forward', 'attach-crossing-keys'],
    confirmation: 'reversible',
    summary: 'the same cutover with the roles swapped, fed by reverse capture: nothing written since is lost',
  },
] as const satisfies readonly Transition[];

export type GuardName = (typeof TRANSITIONS)[number]['guards'][number];
export type StepName = (typeof TRANSITIONS)[number]['steps'][number];

export function isPhase(text: string): text is Phase {
  return (PHASES as readonly string[]).includes(text);
}

export function nextTransition(from: Phase): Transition | undefined {
  return TRANSITIONS.find((t) => t.from === from && t.direction === 'forward');
}

export function backTransition(from: Phase): Transition | undefined {
  return TRANSITIONS.find((t) => t.from === from && t.direction === 'back');
}
