/** Durations and sizes as people write them in dbps.yaml and on the command line. */

const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `500ms`, `5s`, `1.5h`, `7d`, `0` → milliseconds; null when it is none of these. */
export function parseDuration(text: string): number | null {
  if (text.trim() === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return null;
  return Math.round(Number(match[1]) * MILLISECONDS[match[2] as keyof typeof MILLISECONDS]);
}

const POWERS: Readonly<Record<string, number>> = {
  b: 0,
  kb: 1,
  mb: 2,
  gb: 3,
  tb: 4,
  kib: 1,
  mib: 2,
  gib: 3,
  tib: 4,
};

/** `512MB`, `10 GB` → bytes, a kB being 1024 as in PostgreSQL's own settings; null when it is no size. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)$/i.exec(text.trim());
  const power = POWERS[(match?.[2] ?? '').toLowerCase()];
  if (match === null || power === undefined) return null;
  return Math.round(Number(match[1]) * 1024 ** power);
}
