/**
 * The durable set of changed rows: many, and they come with every batch, so it is one row a batch and relation, appended: remembering them costs
 * next to nothing beside applying them. What is taken, and what of it may go when it has been verified, is the same wherever the rows lie.
 */
import { InternalError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';
import type { Key } from './engine.js';

/** The keys that one batch changed in one relation. An empty key stands for the whole relation (it was truncated). */
export interface KeyBatch {
  /** Rises from batch to batch. */
  readonly generation: string;
  readonly keys: readonly Key[];
}

/** Before every generation. */
const NONE = '0';

/**
 * Oldest first, each key once; `through` is the generation that the last of them came from.
 * @param next the first batch behind a generation.
 */
export async function takeKeys(
  limit: number,
  next: (after: string) => Promise<KeyBatch | null>,
): Promise<{ readonly keys: readonly Key[]; readonly through: string }> {
  const keys = new Map<string, Key>();
  let through = NONE;
  while (keys.size < limit) {
    const batch = await next(through);
    if (batch === null) break;
    through = batch.generation;
    for (const key of batch.keys) if (keys.size < limit) keys.set(JSON.stringify(key), key);
  }
  return { keys: [...keys.values()], through };
}

/** Of batches that held some of these keys, what is left; null: nothing. */
export function withoutKeys(
  batches: readonly KeyBatch[],
  keys: readonly Key[],
): readonly { readonly generation: string; readonly left: readonly Key[] | null }[] {
  const gone = new Set(keys.map((key) => JSON.stringify(key)));
  return batches.flatMap(({ generation, keys: before }) => {
    const left = before.filter((key) => !gone.has(JSON.stringify(key)));
    if (left.length === before.length) return [];
    return [{ generation, left: left.length === 0 ? null : left }];
  });
}

/** The greatest generation that the keys taken last came from, by relation: what was added later is not theirs. */
export class Taken {
  readonly #through = new Map<RelationId, string>();

  note(relation: RelationId, through: string): void {
    this.#through.set(relation, through);
  }

  through(relation: RelationId): string {
    const through = this.#through.get(relation);
    if (through === undefined)
      throw new InternalError({
        code: 'DBPS_E901',
        message: `keys of ${relation} removed that were never taken`,
      });
    return through;
  }
}
