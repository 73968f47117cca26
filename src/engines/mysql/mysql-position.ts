/**
 * Where a binary log stands: file and offset, and the GTIDs that had been logged by then where the server has them. The text is ordered
 * like the log (numbers are padded), so that a plain maximum of positions of one server is the latest one. The file's own name is the
 * padded number written short: the server counts with at least six digits.
 *
 *     mysql-bin.0000000042:00000000000000001234@1763834000|0-1-77
 *
 * `@` is when the file was begun, on MySQL: after RESET MASTER the same names and offsets stand for another log. MariaDB is asked which
 * GTIDs it has at that place.
 */
import type { Position } from '../engine.js';

export interface LogPosition {
  /** As the server calls it: `mysql-bin.000042`. */
  readonly file: string;
  readonly offset: number;
  /** Seconds since 1970; 0 where unknown. */
  readonly created: number;
  /** A MySQL GTID set or a MariaDB GTID position; empty where unknown or off. */
  readonly gtids: string;
}

const TEXT = /^(.+)\.(\d+):(\d+)(?:@(\d+))?(?:\|(.*))?$/s;
const FILE = /^(.+)\.(\d+)$/s;

export function formatLogPosition({ file, offset, created, gtids }: LogPosition): Position {
  const { base, number } = splitLogFile(file);
  const at = `${base}.${String(number).padStart(10, '0')}:${String(offset).padStart(20, '0')}`;
  return `${at}${created === 0 ? '' : `@${created}`}${gtids === '' ? '' : `|${gtids}`}`;
}

/** @throws Error for text that is no position of a binary log. */
export function parseLogPosition(position: Position): LogPosition {
  const match = TEXT.exec(position);
  if (match === null) throw new Error(`not a position of a binary log: ${position}`);
  const [, base = '', number = '', offset = '', created = '0', gtids = ''] = match;
  return {
    file: logFile(base, Number(number)),
    offset: Number(offset),
    created: Number(created),
    gtids,
  };
}

export function splitLogFile(file: string): { readonly base: string; readonly number: number } {
  const match = FILE.exec(file);
  if (match === null) throw new Error(`not a file of a binary log: ${file}`);
  return { base: match[1] as string, number: Number(match[2]) };
}

function logFile(base: string, number: number): string {
  return `${base}.${String(number).padStart(6, '0')}`;
}

/** True when everything before `target` is before `current` too. Logs under different names are compared by their GTIDs. */
export function isLogPositionReached(current: Position, target: Position): boolean {
  const [now, then] = [parseLogPosition(current), parseLogPosition(target)];
  const [a, b] = [splitLogFile(now.file), splitLogFile(then.file)];
  if (a.base === b.base) return a.number > b.number || (a.number === b.number && now.offset >= then.offset);
  return then.gtids !== '' && coversGtids(now.gtids, then.gtids);
}

/**
 * Bytes from one position to another, negative when it lies behind; null where it cannot be said. `sizes` of the files between them are
 * needed when they are not in the same one.
 */
export function logDistance(
  from: Position,
  to: Position,
  sizes: ReadonlyMap<string, number> = new Map(),
): number | null {
  const [start, end] = [parseLogPosition(from), parseLogPosition(to)];
  if (start.file === end.file) return end.offset - start.offset;
  const [a, b] = [splitLogFile(start.file), splitLogFile(end.file)];
  if (a.base !== b.base) return null;
  if (a.number > b.number) {
    const back = logDistance(to, from, sizes);
    return back === null ? null : -back;
  }
  let bytes = end.offset - start.offset;
  for (let number = a.number; number < b.number; number++) {
    const size = sizes.get(logFile(a.base, number));
    if (size === undefined) return null;
    bytes += size;
  }
  return bytes;
}

// ---------------------------------------------------------------- GTIDs

/** One entry a MySQL source (and tag), or a MariaDB domain (with the server that wrote last), with closed ranges of sequence numbers. */
type Gtids = ReadonlyMap<string, readonly (readonly [bigint, bigint])[]>;

/** True when every transaction of `part` is in `whole`. */
export function coversGtids(whole: string, part: string): boolean {
  const all = parseGtids(whole);
  for (const [source, ranges] of parseGtids(part)) {
    const have = all.get(source) ?? [];
    if (!ranges.every(([first, last]) => have.some(([from, to]) => from <= first && last <= to)))
      return false;
  }
  return true;
}

/** MySQL: `uuid:1-5:7:tag:1-3,…`. MariaDB: `domain-server-sequence,…`, each standing for everything up to it. */
function parseGtids(text: string): Gtids {
  const found = new Map<string, [bigint, bigint][]>();
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const mariadb = /^(\d+)-(\d+)-(\d+)$/.exec(entry);
    if (mariadb !== null) {
      found.set(`${mariadb[1]}-${mariadb[2]}`, [[0n, BigInt(mariadb[3] as string)]]);
      continue;
    }
    const [uuid = '', ...parts] = entry.toLowerCase().split(':');
    let source = uuid;
    for (const part of parts) {
      const range = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (range === null) {
        source = `${uuid}:${part}`;
        continue;
      }
      const first = BigInt(range[1] as string);
      const ranges = found.get(source) ?? [];
      ranges.push([first, range[2] === undefined ? first : BigInt(range[2])]);
      found.set(source, ranges);
    }
  }
  return new Map([...found].map(([source, ranges]) => [source, joinRanges(ranges)]));
}

/** Neighbours become one, so that a range that lies in two pieces is found whole. */
function joinRanges(ranges: readonly [bigint, bigint][]): readonly [bigint, bigint][] {
  const joined: [bigint, bigint][] = [];
  for (const [first, last] of ranges.toSorted((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const previous = joined.at(-1);
    if (previous !== undefined && first <= previous[1] + 1n) {
      if (last > previous[1]) previous[1] = last;
    } else joined.push([first, last]);
  }
  return joined;
}
