/** Rows as the tables hold them, and what the rest of dbps sees. Drivers differ in JSON and bigint: both are settled here. */
import type { Activity, Phase } from '../model/phases.js';
import type { JournalEntry, Request, ServiceState } from './state-store.js';

export interface ServiceRow {
  service: string;
  phase: Phase;
  target: Phase | null;
  activity: Activity;
  reason: string | null;
  plan_hash: string;
  epoch: string | number;
  soak_started_at: Date | null;
  updated_at: Date;
  lease_holder: string | null;
  lease_host: string | null;
  lease_ms: number | null;
  heartbeat_at: Date | null;
  lease_expires_at: Date | null;
  progress: unknown;
  progress_at: Date | null;
  legacy_shape: unknown;
  target_shape: unknown;
}

export interface JournalRow {
  id: string | number;
  service: string;
  transition: string;
  step: string;
  event: JournalEntry['event'];
  detail: string | null;
  data: unknown;
  epoch: string | number;
  holder: string;
  at: Date;
}

export interface RequestRow {
  id: string | number;
  service: string;
  kind: Request['kind'];
  parameters: unknown;
  state: Request['state'];
  result: unknown;
  filed_by: string;
  filed_at: Date;
}

export function toServiceState(row: ServiceRow): ServiceState {
  return {
    service: row.service,
    phase: row.phase,
    target: row.target,
    activity: row.activity,
    reason: row.reason,
    planHash: row.plan_hash,
    epoch: Number(row.epoch),
    lease:
      row.lease_holder === null
        ? null
        : {
            holder: row.lease_holder,
            host: row.lease_host ?? '',
            heartbeatAt: iso(row.heartbeat_at) ?? '',
            expiresAt: iso(row.lease_expires_at) ?? '',
          },
    soakStartedAt: iso(row.soak_started_at),
    updatedAt: iso(row.updated_at) ?? '',
  };
}

export function toJournalEntry(row: JournalRow): JournalEntry {
  return {
    ...row,
    id: Number(row.id),
    data: fromJson(row.data),
    epoch: Number(row.epoch),
    at: iso(row.at) ?? '',
  };
}

export function toRequest(row: RequestRow): Request {
  return {
    id: Number(row.id),
    service: row.service,
    kind: row.kind,
    parameters: (fromJson(row.parameters) ?? {}) as Record<string, unknown>,
    state: row.state,
    result: fromJson(row.result),
    filedBy: row.filed_by,
    filedAt: iso(row.filed_at) ?? '',
  };
}

/** Some drivers parse JSON columns, some hand the text. */
export function fromJson(value: unknown): unknown {
  return typeof value === 'string' ? (JSON.parse(value) as unknown) : (value ?? null);
}

export function toJson(value: unknown): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

function iso(at: Date | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
