/** Which dbps.yaml: the one named, or the nearest upwards as far as the repository's root. */
import fs from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../model/errors.js';

const NAMES = ['dbps.yaml', 'dbps.yml'];

export interface FindOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From --config; wins over DBPS_CONFIG. */
  readonly file?: string | undefined;
}

/** @returns null when there is none. @throws ConfigError when a named one does not exist. */
export function findConfig(options: FindOptions): string | null {
  const named = options.file ?? (options.env['DBPS_CONFIG'] || undefined);
  if (named !== undefined) {
    const file = path.resolve(options.cwd, named);
    if (!fs.existsSync(file))
      throw new ConfigError({
        code: 'DBPS_E201',
        message: `there is no ${file}`,
        hint: options.file === undefined ? 'it is named by DBPS_CONFIG' : 'it is named by --config',
      });
    return file;
  }
  for (let directory = path.resolve(options.cwd); ; directory = path.dirname(directory)) {
    for (const name of NAMES) {
      const file = path.join(directory, name);
      if (fs.existsSync(file)) return file;
    }
    const isRoot = path.dirname(directory) === directory || fs.existsSync(path.join(directory, '.git'));
    if (isRoot) return null;
  }
}
