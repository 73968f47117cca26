/** 10,000 relations with 20,000 references from a script: seconds and memory of the whole command. One JSON line. Target: 5 s and 1 GB. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { largeSchema } from './large-schema.js';

const RELATIONS = 10_000;
const REFERENCES = 20_000;
const BIN = path.resolve(import.meta.dirname, '../bin/dbps.js');
/** What the process used is told by itself: no tool of the system is needed. */
const TELL = `process.on('exit', () => { const u = process.resourceUsage(); require('node:fs').writeFileSync(process.env.BENCH_USAGE, JSON.stringify({ cpu: (u.userCPUTime + u.systemCPUTime) / 1e6, rssMb: u.maxRSS / 1024 })); });`;

export function benchLargeAnalysis(): void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-bench-'));
  try {
    const file = (name: string) => path.join(directory, name);
    fs.writeFileSync(file('large.sql'), largeSchema(RELATIONS, REFERENCES));
    fs.writeFileSync(file('tell.cjs'), TELL);
    const started = performance.now();
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        '--require',
        file('tell.cjs'),
        BIN,
        'analyze',
        '--from-sql',
        file('large.sql'),
        '--fail-on',
        'never',
        '-o',
        file('out.txt'),
      ],
      { encoding: 'utf8', env: { ...process.env, BENCH_USAGE: file('usage.json') } },
    );
    if (status !== 0) throw new Error(stderr);
    const usage = JSON.parse(fs.readFileSync(file('usage.json'), 'utf8')) as { cpu: number; rssMb: number };
    console.log(
      JSON.stringify({
        bench: 'analyze of a script',
        relations: RELATIONS,
        references: REFERENCES,
        seconds: Math.round(performance.now() - started) / 1000,
        cpuSeconds: Math.round(usage.cpu * 100) / 100,
        rssMb: Math.round(usage.rssMb),
        load: Math.round((os.loadavg()[0] ?? 0) * 10) / 10,
      }),
    );
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
