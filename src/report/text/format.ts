/** Numbers as people read them. Sizes count 1024, as PostgreSQL does. */

export function formatCount(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** 18.4M, 1.1k: for estimates, where the last digits would be a lie. */
export function formatEstimate(value: number | null): string {
  if (value === null || value < 0) return '-';
  if (value < 1000) return formatCount(value);
  const units = ['k', 'M', 'G', 'T'];
  let scaled = value;
  let unit = -1;
  do {
    scaled /= 1000;
    unit++;
  } while (scaled >= 999.95 && unit < units.length - 1);
  return `${scaled.toFixed(1).replace(/\.0$/, '')}${units[unit] ?? ''}`;
}

export function formatBytes(value: number | null): string {
  if (value === null || value < 0) return '-';
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1023.5 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${scaled >= 10 || unit === 0 ? scaled.toFixed(0) : scaled.toFixed(1)} ${units[unit] ?? ''}`;
}

/** 340 ms, 2.8s, 6m 40s, 1h 50m, 7d 3h. */
export function formatDuration(milliseconds: number | null): string {
  if (milliseconds === null) return '-';
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1).replace(/\.0$/, '')}s`;
  const total = Math.round(seconds);
  const [d, h, m, s] = [
    Math.floor(total / 86_400),
    Math.floor(total / 3600) % 24,
    Math.floor(total / 60) % 60,
    total % 60,
  ];
  const parts =
    d > 0
      ? [`${d}d`, h > 0 ? `${h}h` : '']
      : h > 0
        ? [`${h}h`, m > 0 ? `${m}m` : '']
        : [`${m}m`, s > 0 ? `${s}s` : ''];
  return parts.filter((part) => part !== '').join(' ');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
