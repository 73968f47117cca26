import { distance } from 'fastest-levenshtein';

/** The one of `candidates` that was probably meant, or undefined. */
export function didYouMean(text: string, candidates: readonly string[]): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const d = distance(text.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || d < best.distance) best = { candidate, distance: d };
  }
  if (best === undefined) return undefined;
  return best.distance <= Math.max(1, Math.floor(Math.min(text.length, best.candidate.length) / 3))
    ? best.candidate
    : undefined;
}
