/** Keys of rows that a verification found different, by service, for `verify --recheck`: a file each, beside the plan. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Key } from '../engines/engine.js';
import { UsageError } from '../model/errors.js';
import type { RelationId } from '../model/relation-id.js';

export type DifferingRows = ReadonlyMap<RelationId, readonly Key[]>;

const fileOf = (folder: string, service: string): string => path.join(folder, `${service}.json`);

/** Empty where the last verification found nothing. */
export async function readDifferingRows(folder: string, service: string): Promise<DifferingRows> {
  const file = fileOf(folder, service);
  try {
    const { relations } = JSON.parse(await fs.readFile(file, 'utf8')) as { relations: Record<string, Key[]> };
    return new Map(Object.entries(relations));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new UsageError({
      code: 'DBPS_E105',
      message: `cannot read ${file}: ${(cause as NodeJS.ErrnoException).code ?? 'it is not what dbps verify wrote'}`,
      hint: `remove it; dbps verify ${service} writes it again`,
      cause,
    });
  }
}

/**
 * What was compared replaces what was on record of the same relations; nothing left, no file.
 * @param compared relations that were looked at, each with the keys found different.
 */
export async function recordDifferingRows(
  folder: string,
  service: string,
  compared: DifferingRows,
): Promise<void> {
  const before = await readDifferingRows(folder, service);
  const now = new Map([...new Map([...before, ...compared])].filter(([, keys]) => keys.length > 0));
  if (now.size === 0 && before.size === 0) return;
  const file = fileOf(folder, service);
  try {
    if (now.size === 0) {
      await fs.rm(file, { force: true });
      return;
    }
    await fs.mkdir(folder, { recursive: true });
    await fs.writeFile(
      `${file}.tmp`,
      `${JSON.stringify({ service, relations: Object.fromEntries(now) }, null, 1)}\n`,
    );
    await fs.rename(`${file}.tmp`, file);
  } catch (cause) {
    throw new UsageError({
      code: 'DBPS_E105',
      message: `cannot write ${file}: ${(cause as NodeJS.ErrnoException).code ?? 'error'}`,
      hint: 'check the folder and its permissions',
      cause,
    });
  }
}
