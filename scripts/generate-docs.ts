/**
 * Documentation that is made from the code: every code, the whole command line, the exit codes, the JSON Schema of dbps.yaml.
 * `npm run docs` writes them; `npm run docs -- --check` (and a test) says whether they are current.
 */
import fs from 'node:fs';
import path from 'node:path';
import { renderedDocs } from './rendered-docs.js';

const ROOT = path.resolve(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');
let stale = 0;

for (const [file, text] of Object.entries(renderedDocs())) {
  const full = path.join(ROOT, file);
  const current = fs.existsSync(full) ? fs.readFileSync(full, 'utf8') : null;
  if (current === text) continue;
  stale++;
  process.stdout.write(`${isCheck ? 'stale' : 'wrote'} ${file}\n`);
  if (!isCheck) {
    fs.mkdirSync(path.dirname(full), { recursive: true });
    fs.writeFileSync(full, text);
  }
}
if (isCheck && stale > 0) process.exitCode = 1;
