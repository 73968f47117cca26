import fs from 'node:fs';

/**
 * How benchmarks measure here: contenders take turns within a round (machines are shared and noisy, so that only the ratio within one round says
 * anything), medians over rounds, one JSON line a contender.
 */
export interface Contender {
  readonly name: string;
  /** Untimed. */
  readonly prepare?: () => Promise<void>;
  /** Timed; may return figures of its own for the line. */
  readonly run: () => Promise<Readonly<Record<string, unknown>> | void>;
  /** Untimed: throws when the work was not done. */
  readonly check?: () => Promise<void>;
}

export interface Measure {
  readonly bench: string;
  readonly measure: string;
  readonly rows: number;
  readonly rounds: number;
  /** Whom the others are compared with: ratio > 1 is faster than it. */
  readonly peer: string;
  readonly contenders: readonly Contender[];
}

export const print = (line: Readonly<Record<string, unknown>>): void =>
  void process.stdout.write(`${JSON.stringify(line)}\n`);

const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/**
 * CPU seconds of this process and of everything below it, ended children included: servers, their sessions, programs that were run. What a
 * contender costs does not depend on how loaded the machine is, as its seconds do. NaN where there is no /proc.
 */
export const cpuSecondsOfAll = (): number => cpuSecondsBelow(process.pid);

/** The same of any process. */
export function cpuSecondsBelow(root: number): number {
  const own = new Map<number, { readonly parent: number; readonly ticks: number }>();
  let names: string[];
  try {
    names = fs.readdirSync('/proc');
  } catch {
    return Number.NaN;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const fields = (fs.readFileSync(`/proc/${name}/stat`, 'latin1').split(') ').pop() ?? '').split(' ');
      const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
      own.set(Number(name), { parent: Number(fields[1]), ticks });
    } catch {
      // Gone since.
    }
  }
  const isBelow = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = own.get(at)?.parent)
      if (at === root) return true;
    return false;
  };
  let ticks = 0;
  for (const [pid, found] of own) if (isBelow(pid)) ticks += found.ticks;
  return ticks / 100;
}

export async function measure(given: Measure): Promise<void> {
  const cpu = new Map<string, number[]>(given.contenders.map(({ name }) => [name, []]));
  const seconds = new Map<string, number[]>(given.contenders.map(({ name }) => [name, []]));
  const figures = new Map<string, Readonly<Record<string, unknown>>>();
  for (let turn = 0; turn < given.rounds; turn++) {
    for (const contender of given.contenders) {
      await contender.prepare?.();
      const cpuFrom = cpuSecondsOfAll();
      const from = process.hrtime.bigint();
      const more = await contender.run();
      seconds.get(contender.name)?.push(Number(process.hrtime.bigint() - from) / 1e9);
      cpu.get(contender.name)?.push(cpuSecondsOfAll() - cpuFrom);
      if (more !== undefined) figures.set(contender.name, more);
      await contender.check?.();
    }
  }
  const peer = seconds.get(given.peer) ?? [];
  const peerCpu = cpu.get(given.peer) ?? [];
  for (const { name } of given.contenders) {
    const own = seconds.get(name) ?? [];
    print({
      bench: given.bench,
      measure: given.measure,
      contender: name,
      rows: given.rows,
      seconds: round(median(own), 3),
      rowsPerSecond: Math.round(given.rows / median(own)),
      peer: given.peer,
      ratio: round(median(own.map((value, i) => (peer[i] ?? Number.NaN) / value))),
      rounds: own.map((value) => round(value, 3)),
      cpuSeconds: round(median(cpu.get(name) ?? []), 2),
      cpuRatio: round(median(peerCpu) / median(cpu.get(name) ?? [])),
      ...figures.get(name),
    });
  }
}
