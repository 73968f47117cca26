/** `npm run bench -- copy|copy-mysql|verify|verify-mysql|cutover|apply [--scale 0.25] [--rounds 3] [--chunk-rows 50000]`: one JSON line a measure on stdout. */
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** 1: the 4.25 million rows of the peers' study. */
    scale: { type: 'string', default: '0.25' },
    rounds: { type: 'string', default: '3' },
    'chunk-rows': { type: 'string', default: '50000' },
    /** cutover: rows of the larger size; the smaller is a sixteenth. */
    rows: { type: 'string', default: '1600000' },
    cutovers: { type: 'string', default: '10' },
    clients: { type: 'string', default: '4' },
  },
});
const options = {
  scale: Number(values.scale),
  rounds: Number(values.rounds),
  chunkRows: Number(values['chunk-rows']),
};

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  apply: async () => (await import('./apply.js')).benchApply(options),
  'apply-mysql': async () => (await import('./apply-mysql.js')).benchApplyMysql(options),
  'capture-overhead': async () => (await import('./capture-overhead.js')).benchCaptureOverhead(options),
  copy: async () => (await import('./copy.js')).benchCopy(options),
  'copy-mysql': async () => (await import('./copy-mysql.js')).benchCopyMysql(options),
  cutover: async () =>
    (await import('./cutover.js')).benchCutover({
      rows: Number(values.rows),
      cutovers: Number(values.cutovers),
      clients: Number(values.clients),
    }),
  verify: async () => (await import('./verify.js')).benchVerify(options),
  'verify-mysql': async () => (await import('./verify-mysql.js')).benchVerifyMysql(options),
};

const chosen = positionals.length === 0 ? Object.keys(BENCHES) : positionals;
const unknown = chosen.find((name) => BENCHES[name] === undefined);
if (unknown === undefined) {
  for (const name of chosen) await BENCHES[name]?.();
} else {
  process.stderr.write(`no bench "${unknown}"; there are ${Object.keys(BENCHES).join(', ')}\n`);
  process.exitCode = 2;
}
