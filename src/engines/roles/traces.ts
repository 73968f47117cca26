/** What dbps leaves in a database. */

/** An object that dbps made in a database: a slot, a publication, a fence, its control tables. */
export interface Trace {
  readonly kind: 'slot' | 'publication' | 'fence' | 'control';
  readonly name: string;
  /** null: for no service in particular. */
  readonly service: string | null;
  /** Somebody is using it now. */
  readonly isActive: boolean;
  /** Log kept because of it, bytes; null where it keeps none. */
  readonly retainedBytes: number | null;
}

export interface TraceReader {
  /** @param services the services that may have traces: what belongs to none of them is listed as `service: null`. */
  list(services: readonly string[]): Promise<readonly Trace[]>;
}

export interface TraceRemover extends TraceReader {
  /** Idempotent. Refuses what is in use. */
  remove(traces: readonly Trace[]): Promise<void>;
}
