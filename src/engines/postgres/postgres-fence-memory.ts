/** What a closing fence took away, kept in dbps.fence_memory beside it, so that opening needs no plan and no memory of a process. */
import type { DetachedKey } from '../engine.js';
import type { Queryable } from './postgres-fence-tree.js';

/** `subject` is the key within a kind; all of one kind are restored in the order of their subjects. */
export type Memory =
  /** Run by the opening transaction, or (`late-statement`) after it, in small retries. */
  | {
      readonly kind: 'statement' | 'late-statement';
      readonly subject: string;
      readonly sql: string;
      /** A query that returns a row when the effect is there already. */
      readonly unless?: string;
    }
  | {
      readonly kind: 'trigger';
      readonly subject: string;
      readonly relation: string;
      readonly name: string;
      /** As it was: O origin, R replica, A always. */
      readonly enabled: string;
    }
  | { readonly kind: 'sequence'; readonly subject: string; readonly bounds: SequenceBounds }
  | {
      readonly kind: 'identity';
      readonly subject: string;
      readonly relation: string;
      readonly column: string;
    }
  /** Foreign keys with both ends inside. */
  | { readonly kind: 'inner-key'; readonly subject: string; readonly key: DetachedKey }
  /** Foreign keys with one end inside. */
  | { readonly kind: 'crossing-key'; readonly subject: string; readonly key: DetachedKey }
  /** Renamed on its way out; `subject` is what it was called. */
  | { readonly kind: 'retired'; readonly subject: string; readonly renamedTo: string; readonly at: string }
  /** Restored, but not validated yet. */
  | { readonly kind: 'unvalidated-key'; readonly subject: string; readonly key: DetachedKey };

export interface SequenceBounds {
  readonly minimum: string;
  readonly maximum: string;
  readonly start: string;
  readonly isCycling: boolean;
}

export type MemoryKind = Memory['kind'];
export type MemoryOf<K extends MemoryKind> = Memory & { readonly kind: K };

/** The first memory of a thing is the true one: a second closing must not remember the state that the first one made. */
export async function remember(client: Queryable, service: string, memory: readonly Memory[]): Promise<void> {
  if (memory.length === 0) return;
  await client.query(
    `INSERT INTO dbps.fence_memory (service, kind, subject, restore)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING`,
    [service, memory.map((m) => m.kind), memory.map((m) => m.subject), memory.map((m) => JSON.stringify(m))],
  );
}

export async function recall<K extends MemoryKind>(
  client: Queryable,
  service: string,
  kind: K,
): Promise<MemoryOf<K>[]> {
  const { rows } = await client.query<{ restore: string }>(
    `SELECT restore FROM dbps.fence_memory WHERE service = $1 AND kind = $2 ORDER BY subject COLLATE "C"`,
    [service, kind],
  );
  return rows.map((row) => JSON.parse(row.restore) as MemoryOf<K>);
}

export async function forget(
  client: Queryable,
  service: string,
  kind: MemoryKind,
  subject?: string,
): Promise<void> {
  await client.query(
    'DELETE FROM dbps.fence_memory WHERE service = $1 AND kind = $2 AND ($3::text IS NULL OR subject = $3)',
    [service, kind, subject ?? null],
  );
}
