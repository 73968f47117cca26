/** What a fence keeps of the user's own, in dbps.fence_memory, so that opening and removing need no plan and no memory of a process. */
import type mysql from 'mysql2/promise';
import type { Statement } from '../engine.js';
import type { RelationId } from '../../model/relation-id.js';
import { queryable } from './mysql-connection.js';
import type { FenceKey } from './mysql-fence-body.js';

export interface RememberedKey {
  readonly relation: RelationId;
  readonly name: string;
  /** `FOREIGN KEY (…) REFERENCES …` */
  readonly definition: string;
}

/** `subject` is the key within a kind; all of one kind come back in the order of their subjects. */
export type Memory =
  /** To be run before or at the opening. */
  | ({ readonly kind: 'statement'; readonly subject: string } & Pick<
      Statement,
      'sql' | 'unless' | 'settings'
    >)
  /** A user's trigger, complete: to be put back as it was. */
  | { readonly kind: 'trigger'; readonly subject: string; readonly trigger: RememberedTrigger }
  | { readonly kind: 'crossing-key' | 'inner-key'; readonly subject: string; readonly key: RememberedKey }
  /** Restored without looking at the rows. */
  | { readonly kind: 'unvalidated-key'; readonly subject: string; readonly key: RememberedKey }
  /** Renamed on its way out; `subject` is what it was called. */
  | { readonly kind: 'retired'; readonly subject: string; readonly renamedTo: string; readonly at: string };

export interface RememberedTrigger {
  readonly schema: string;
  readonly name: string;
  readonly relation: RelationId;
  readonly timing: string;
  readonly event: string;
  readonly definer: string;
  readonly body: string;
  readonly sqlMode: string;
  readonly characterSet: string;
  readonly collation: string;
}

export type MemoryKind = Memory['kind'];
export type MemoryOf<K extends MemoryKind> = Extract<Memory, { readonly kind: K }> & { readonly kind: K };

/** The first memory of a thing is the true one: a second closing must not remember the state that the first one made. */
export async function remember(
  connection: mysql.Connection,
  key: FenceKey,
  memory: readonly Memory[],
): Promise<void> {
  if (memory.length === 0) return;
  await connection.query(
    'INSERT IGNORE INTO dbps.fence_memory (service, database_name, kind, subject, `restore`) VALUES ?',
    [memory.map((m) => [key.service, key.database, m.kind, m.subject, JSON.stringify(m)])],
  );
}

export async function recall<K extends MemoryKind>(
  connection: mysql.Connection,
  key: FenceKey,
  kind: K,
): Promise<MemoryOf<K>[]> {
  const rows = await queryable(connection).query({
    sql: 'SELECT `restore` FROM dbps.fence_memory WHERE service = ? AND database_name = ? AND kind = ? ORDER BY subject',
    values: [key.service, key.database, kind],
  });
  return rows.map((row) => JSON.parse(row['restore'] ?? '{}') as MemoryOf<K>);
}

export async function forget(
  connection: mysql.Connection,
  key: FenceKey,
  kind: MemoryKind,
  subject?: string,
): Promise<void> {
  await connection.query(
    `DELETE FROM dbps.fence_memory WHERE service = ? AND database_name = ? AND kind = ?${subject === undefined ? '' : ' AND subject = ?'}`,
    [key.service, key.database, kind, ...(subject === undefined ? [] : [subject])],
  );
}
