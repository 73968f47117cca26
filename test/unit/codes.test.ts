import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ERROR_CODES, FINDING_CODES } from '../../src/model/codes/index.js';

const SRC = path.resolve(import.meta.dirname, '../../src');
const all = { ...FINDING_CODES, ...ERROR_CODES };

function mentioned(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of fs.readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.includes(path.join('model', 'codes'))) continue;
    // A code in a comment is reported by nobody.
    const text = fs
      .readFileSync(path.join(SRC, file), 'utf8')
      .replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    for (const [code] of text.matchAll(/\b(?:DBPS_E\d{3}|(?:BND|RPL|TYP|SEQ|IDX|TRG|SEC|VRF|DRF)\d{3})\b/g))
      found.set(code, file);
  }
  return found;
}

test('every code that the source mentions is explained', () => {
  const unknown = [...mentioned()].filter(([code]) => all[code] === undefined);
  expect(unknown.map(([code, file]) => `${code} in ${file}`)).toEqual([]);
});

test('every code that is explained is one that something reports', () => {
  const known = mentioned();
  expect(Object.keys(all).filter((code) => !known.has(code))).toEqual([]);
});

test('every code has a title, a meaning, an example and a fix', () => {
  for (const [code, entry] of Object.entries(all)) {
    expect(code).toMatch(/^(DBPS_E|[A-Z]{3})\d{3}$/);
    for (const text of [entry.title, entry.meaning, entry.example, entry.fix])
      expect(text.trim().length, code).toBeGreaterThan(5);
  }
});
