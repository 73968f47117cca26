/** `npm run bench [-- NAME…] [--scale 0.25] [--rounds 3] [--chunk-rows 50000]`: one JSON line a measure on stdout. */
import os from 'node:os';
import { parseArgs } from 'node:util';

/** Without a name all of them run, one after the other, each at the scale and for the rounds that keep the whole under 20 minutes on a quiet machine. */
const ALL = {
  analysis: { rounds: '5' },
  copy: { scale: '0.25', rounds: '3' },
  verify: { scale: '0.5', rounds: '3' },
  apply: { scale: '0.5', rounds: '3' },
  'copy-mysql': { scale: '0.1', rounds: '3' },
  'verify-mysql': { scale: '0.15', rounds: '3' },
  'apply-mysql': { scale: '0.25', rounds: '3' },
  'capture-overhead': { scale: '0.25', rounds: '3' },
  cutover: { rows: '1600000', cutovers: '10' },
} as const;
type Name = keyof typeof ALL;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** 1: the 4.25 million rows of the peers' study. */
    scale: { type: 'string' },
    rounds: { type: 'string' },
    'chunk-rows': { type: 'string', default: '50000' },
    /** cutover: rows of the larger size; the smaller is a sixteenth. */
    rows: { type: 'string' },
    cutovers: { type: 'string' },
    clients: { type: 'string', default: '4' },
  },
});

interface Given {
  readonly scale?: string | undefined;
  readonly rounds?: string | undefined;
  readonly rows?: string | undefined;
  readonly cutovers?: string | undefined;
}

async function bench(name: Name): Promise<void> {
  const own: Given = ALL[name];
  const given: Given = values;
  const options = {
    scale: Number(given.scale ?? own.scale),
    rounds: Number(given.rounds ?? own.rounds),
    chunkRows: Number(values['chunk-rows']),
  };
  switch (name) {
    case 'analysis':
      return (await import('./analysis.js')).benchAnalysis(options);
    case 'apply':
      return (await import('./apply.js')).benchApply(options);
    case 'apply-mysql':
      return (await import('./apply-mysql.js')).benchApplyMysql(options);
    case 'capture-overhead':
      return (await import('./capture-overhead.js')).benchCaptureOverhead(options);
    case 'copy':
      return (await import('./copy.js')).benchCopy(options);
    case 'copy-mysql':
      return (await import('./copy-mysql.js')).benchCopyMysql(options);
    case 'cutover':
      return (await import('./cutover.js')).benchCutover({
        rows: Number(given.rows ?? own.rows),
        cutovers: Number(given.cutovers ?? own.cutovers),
        clients: Number(values.clients),
      });
    case 'verify':
      return (await import('./verify.js')).benchVerify(options);
    case 'verify-mysql':
      return (await import('./verify-mysql.js')).benchVerifyMysql(options);
  }
}

const isName = (name: string): name is Name => name in ALL;
const unknown = positionals.find((name) => !isName(name));
if (unknown === undefined) {
  const chosen = positionals.length === 0 ? (Object.keys(ALL) as Name[]) : positionals.filter(isName);
  const isAll = positionals.length === 0;
  for (const name of chosen) {
    const from = Date.now();
    try {
      await bench(name);
    } catch (error) {
      // What is missing for one of them, or wrong with it, does not keep the others from being measured.
      process.stdout.write(`${JSON.stringify({ bench: name, failed: (error as Error).message })}\n`);
      process.exitCode = 1;
      if (!isAll) throw error;
    }
    process.stdout.write(
      `${JSON.stringify({ bench: name, tookSeconds: Math.round((Date.now() - from) / 1000), load: os.loadavg()[0] })}\n`,
    );
  }
} else {
  process.stderr.write(`no bench "${unknown}"; there are ${Object.keys(ALL).join(', ')}\n`);
  process.exitCode = 2;
}
