/** An analysis as a file: what `analyze --from` reads without a database. */
import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/config.js';
import type { Analysis } from '../model/analysis.js';
import type { DatabaseSchema } from '../model/database-schema.js';
import { UsageError } from '../model/errors.js';

export interface SavedAnalysis {
  readonly format: 1;
  /** Redacted URL or name of the script. */
  readonly source: string;
  readonly savedAt: string;
  readonly schema: DatabaseSchema;
  readonly analysis: Analysis;
}

export const defaultAnalysisFile = (config: Pick<Config, 'directory'>): string =>
  path.join(config.directory, 'dbps', 'analysis.json');

export function saveAnalysis(file: string, saved: SavedAnalysis): void {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(`${file}.tmp`, `${JSON.stringify(saved)}\n`);
    fs.renameSync(`${file}.tmp`, file);
  } catch (cause) {
    throw new UsageError({
      code: 'DBPS_E105',
      message: `cannot write ${file}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`,
      hint: 'check the folder and its permissions',
      cause,
    });
  }
}

/** @throws UsageError when it is missing or is something else. */
export function loadAnalysis(file: string): SavedAnalysis {
  const refuse = (message: string): never => {
    throw new UsageError({ code: 'DBPS_E108', message, hint: 'dbps analyze --out analysis.json' });
  };
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return refuse(`there is no analysis at ${file}`);
  }
  let saved: Partial<SavedAnalysis>;
  try {
    saved = JSON.parse(text) as Partial<SavedAnalysis>;
  } catch {
    return refuse(`${file} is not an analysis`);
  }
  if (saved.format !== 1 || saved.analysis === undefined || saved.schema === undefined)
    return refuse(`${file} is not an analysis of this version`);
  return saved as SavedAnalysis;
}
