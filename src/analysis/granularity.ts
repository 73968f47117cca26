/**
 * The dial between few large services and many small ones. Groupings through two glasses come from different runs, so a finer glass alone
 * does not promise more groups: where it shows fewer than the balanced one (or a coarser more), the evidence holds nothing finer (coarser),
 * and the balanced grouping is the answer. So coarse <= balanced <= fine for every input.
 *
 * What is shown as an alternative and what is proposed when the dial stands there are the same grouping, from the same runs.
 */
import { partition, type Grouping, type PartitionOptions, type PinnedGraph } from './partition.js';

export const GRANULARITIES = { coarse: 0.15, balanced: 0.5, fine: 0.85 } as const;
/**
 * Every analysis shows coarse and fine beside the balanced proposal: together they may take half of its time. That is the full number of
 * runs up to 1,500 pairs of tied relations (some 150 relations), fewer above.
 */
const SHARE_BESIDE = 0.25;

export type GranularityName = keyof typeof GRANULARITIES;

export function isGranularityName(text: string): text is GranularityName {
  return Object.hasOwn(GRANULARITIES, text);
}

export function partitionBeside(
  balanced: Grouping,
  graph: PinnedGraph,
  options: Pick<PartitionOptions, 'granularity'>,
): Grouping {
  if (options.granularity === GRANULARITIES.balanced) return balanced;
  const found = partition(graph, { ...options, share: SHARE_BESIDE });
  const isCoarser = options.granularity < GRANULARITIES.balanced;
  const isInOrder = isCoarser
    ? found.groups.length <= balanced.groups.length
    : found.groups.length >= balanced.groups.length;
  return isInOrder ? found : balanced;
}
