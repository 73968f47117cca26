/** Writes what a plan stands for as files, or says which files on disk no longer stand for it. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Ddl } from '../engines/engine.js';
import { loadEngine } from '../engines/registry.js';
import type { EngineName } from '../model/database-schema.js';
import { UsageError } from '../model/errors.js';
import type { Plan } from '../model/plan.js';
import { isUntouched, type GeneratedFile } from '../generation/generated-file.js';
import { generateFiles } from '../generation/generate-files.js';

export interface GenerateRequest {
  readonly plan: Plan;
  /** Output folder. */
  readonly directory: string;
  readonly services?: readonly string[];
  readonly styles?: readonly ('sql' | 'knex')[];
  /** Replace files that were edited since they were generated. */
  readonly force?: boolean;
}

export interface GenerateResult {
  readonly directory: string;
  readonly files: readonly {
    readonly path: string;
    readonly state: 'written' | 'unchanged' | 'missing' | 'stale' | 'edited';
  }[];
  /** `--check`: every file is there and stands for the plan. */
  readonly isCurrent: boolean;
}

async function render(request: GenerateRequest): Promise<readonly GeneratedFile[]> {
  const engines = [...new Set(request.plan.services.map((service) => service.targetEngine))];
  const ddls = new Map<EngineName, Ddl>();
  for (const name of engines) ddls.set(name, (await loadEngine(name)).ddl);
  return generateFiles(request.plan, {
    ddl: (name) => ddls.get(name) as Ddl,
    ...(request.services !== undefined && { services: request.services }),
    ...(request.styles !== undefined && { styles: request.styles }),
  });
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Writes nothing. */
export async function checkGenerated(request: GenerateRequest): Promise<GenerateResult> {
  const files = await Promise.all(
    (await render(request)).map(async (file) => {
      const found = await readIfThere(path.join(request.directory, file.path));
      const state =
        found === null
          ? ('missing' as const)
          : found === file.contents
            ? ('unchanged' as const)
            : isUntouched(found)
              ? ('stale' as const)
              : ('edited' as const);
      return { path: file.path, state };
    }),
  );
  return {
    directory: request.directory,
    files,
    isCurrent: files.every((file) => file.state === 'unchanged'),
  };
}

/** @throws UsageError when a file was edited by hand and `force` is not given; then nothing is written. */
export async function writeGenerated(request: GenerateRequest): Promise<GenerateResult> {
  const check = await checkGenerated(request);
  const edited = check.files.filter((file) => file.state === 'edited');
  if (edited.length > 0 && request.force !== true)
    throw new UsageError({
      code: 'DBPS_E111',
      message: `${edited.map((file) => path.join(request.directory, file.path)).join(', ')} ${edited.length === 1 ? 'was' : 'were'} edited since dbps wrote ${edited.length === 1 ? 'it' : 'them'}`,
      hint: '--force replaces edited files; or --out names another folder',
    });
  const states = new Map(check.files.map((file) => [file.path, file.state]));
  const files: GenerateResult['files'][number][] = [];
  for (const file of await render(request)) {
    if (states.get(file.path) === 'unchanged') {
      files.push({ path: file.path, state: 'unchanged' });
      continue;
    }
    const target = path.join(request.directory, file.path);
    try {
      await fs.mkdir(path.dirname(target), { recursive: true });
      await fs.writeFile(target, file.contents);
    } catch (cause) {
      throw new UsageError({
        code: 'DBPS_E105',
        message: `cannot write ${target}: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`,
        hint: 'check the folder and its permissions',
        cause,
      });
    }
    files.push({ path: file.path, state: 'written' });
  }
  return { directory: request.directory, files, isCurrent: true };
}
