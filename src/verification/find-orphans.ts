/**
 * Children whose parent is not there, in references inside the service. Foreign keys of the follower prove nothing: replication inserts past
 * them. An orphan that the owner has too was there before; it is told, but it is not this move's.
 */
import type { FoundOrphans } from '../model/verification.js';
import { forEachParallel } from './parallel.js';
import type { VerifyInput } from './verify-input.js';

const SAMPLE = 10;

export async function findOrphans(
  input: VerifyInput,
  notCompared: { subject: string; reason: string }[],
): Promise<readonly FoundOrphans[]> {
  const references = input.references ?? [];
  if (input.mode !== 'full') {
    if (references.length > 0)
      notCompared.push({ subject: 'references', reason: `mode ${input.mode} does not look for orphans` });
    return [];
  }
  const found: FoundOrphans[] = [];
  const owner = input.owner;
  const follower = owner === 'source' ? 'target' : 'source';
  await forEachParallel(references, input.jobs, input.signal, async (reference) => {
    const first = await input[follower].checksum.orphans(reference[follower], SAMPLE, input.signal);
    if (first.count === 0) return;
    // A child and its parent may have arrived in different batches.
    await input.barrier();
    const again = await input[follower].checksum.orphans(reference[follower], SAMPLE, input.signal);
    if (again.count === 0) return;
    const before = await input[owner].checksum.orphans(reference[owner], SAMPLE, input.signal);
    if (before.count >= again.count) {
      notCompared.push({
        subject: reference.label,
        reason: `${again.count} rows refer to a parent that does not exist; they do so on the owning side too`,
      });
      return;
    }
    found.push({
      label: reference.label,
      child: reference[follower].child,
      parent: reference[follower].parent,
      count: again.count,
      sample: again.sample,
    });
  });
  return found.sort((a, b) => a.label.localeCompare(b.label));
}
