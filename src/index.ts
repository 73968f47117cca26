/**
 * dbps as a library: the same use cases as the command line. Nothing here prints, exits or reads the environment; work is stopped by
 * AbortSignals, and failures are the typed errors below. What an application imports to follow a cutover is `dbps/router`.
 */
export {
  analyze,
  NO_PINS,
  type AnalyzeOptions,
  type AnalyzeResult,
  type AnalyzeSource,
} from './app/analyze.js';
export {
  checkGenerated,
  writeGenerated as generate,
  type GenerateRequest,
  type GenerateResult,
} from './app/generate.js';
export { openMigration, type Migration } from './app/open-migration.js';
export type { MoveOptions } from './app/move.js';
export type { PerformResult } from './app/perform.js';
export { diffPlanWithLive, loadPlan, planSplit as plan, writePlan, type PlanOptions } from './app/plan.js';
export type { ServiceStatus } from './app/status.js';
export { verify, type VerifyOptions, type VerifyOutcome } from './app/verify.js';
export type { Config } from './config/config.js';
export { connectionTarget, type ConnectionInput } from './config/connection.js';
export { loadConfig, parseConfig, type LoadedConfig, type LoadOptions } from './config/load.js';
export type { Analysis, BoundaryPins, Crossing, ProposedService, Reference } from './model/analysis.js';
export { ConnectionTarget } from './model/connection-target.js';
export type { DatabaseSchema, Relation } from './model/database-schema.js';
export {
  ConfigError,
  DatabaseError,
  DbpsError,
  InternalError,
  InterruptedError,
  RefusedError,
  UsageError,
} from './model/errors.js';
export type { DbpsEvent, EventSink, ProgressEvent } from './model/events.js';
export type { Finding, Severity } from './model/finding.js';
export { PHASES, TRANSITIONS, type Phase, type Transition } from './model/phases.js';
export type { Plan, ServicePlan } from './model/plan.js';
export type { VerifyMode, VerifyResult } from './model/verification.js';
