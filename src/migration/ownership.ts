/**
 * Who owns a service's writes, asked of both databases. Each has a row that changes in the transaction that closes or opens its own fence, and a
 * database accepts writes when its own row names itself. When neither does, a switch was committed and not finished: nobody accepts
 * writes, and the row with the higher revision says which way to roll forward (docs/protocol.md, write cutover).
 */
import type { OwnershipRow, ReadOnlyDatabase } from '../engines/engine.js';
import { InternalError } from '../model/errors.js';

export type Owner = 'legacy' | 'service';

export interface WriteOwnership {
  /** Who accepts writes now; null: nobody. */
  readonly accepting: Owner | null;
  /** Who owns them by the latest commit: the way forward when nobody accepts writes. */
  readonly decided: Owner;
  readonly legacy: OwnershipRow | null;
  readonly service: OwnershipRow | null;
}

/** Pure. No row: nothing was ever switched, legacy owns. */
export function judgeOwnership(legacy: OwnershipRow | null, service: OwnershipRow | null): WriteOwnership {
  const isLegacy = legacy === null || legacy.owner === 'legacy';
  const isService = service?.owner === 'service';
  if (isLegacy && isService) {
    throw new InternalError({
      code: 'DBPS_E901',
      message: `both databases say that they own the writes (revisions ${legacy?.revision ?? 0} and ${service.revision})`,
    });
  }
  const newest = (service?.revision ?? 0) > (legacy?.revision ?? 0) ? service : legacy;
  return {
    accepting: isLegacy ? 'legacy' : isService ? 'service' : null,
    decided: newest?.owner ?? 'legacy',
    legacy,
    service,
  };
}

export async function readOwnership(
  context: { readonly legacy: ReadOnlyDatabase; readonly target: ReadOnlyDatabase },
  service: string,
): Promise<WriteOwnership> {
  const [legacy, target] = await Promise.all([
    context.legacy.fence.ownership(service),
    context.target.fence.ownership(service),
  ]);
  return judgeOwnership(legacy, target);
}
