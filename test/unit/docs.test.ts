import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { renderedDocs } from '../../scripts/rendered-docs.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

test.each(Object.entries(renderedDocs()))('%s is what the code says: npm run docs', (file, text) => {
  expect(fs.readFileSync(path.join(ROOT, file), 'utf8')).toBe(text);
});
