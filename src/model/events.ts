/** What long work tells its caller while it runs: progress for people, facts for logs. The library never prints. */
import type { Finding } from './finding.js';
import type { Phase } from './phases.js';

export type DbpsEvent =
  | { readonly type: 'note'; readonly service?: string; readonly message: string }
  | { readonly type: 'phase'; readonly service: string; readonly from: Phase; readonly to: Phase }
  | {
      readonly type: 'step';
      readonly service: string;
      readonly step: string;
      readonly state: 'started' | 'done' | 'skipped' | 'undone' | 'failed';
      readonly detail?: string;
    }
  | { readonly type: 'waiting'; readonly service: string; readonly for: string; readonly detail: string }
  | ProgressEvent
  | { readonly type: 'finding'; readonly finding: Finding };

export interface ProgressEvent {
  readonly type: 'progress';
  readonly service: string;
  readonly activity: string;
  readonly relation?: string;
  readonly rows: number;
  /** What `rows` counts, when it is not rows. */
  readonly unit?: 'transactions';
  /** null: not known. */
  readonly totalRows: number | null;
  readonly bytes: number;
  readonly rowsPerSecond: number;
  readonly etaMs: number | null;
  readonly lagMs?: number;
}

export type EventSink = (event: DbpsEvent) => void;
