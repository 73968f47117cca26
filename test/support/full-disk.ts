/**
 * A disk that runs full under some relations of a service database: a tablespace on a file system of a megabyte. Where the tests may not
 * mount one, the server's own error is raised for it, by a trigger that fires for everybody.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { TestDatabase } from './postgres.js';

export interface FullDisk {
  /** Somebody made room. */
  makeRoom(): Promise<void>;
  close(): Promise<void>;
}

export async function fillDiskUnder(database: TestDatabase, relations: readonly string[]): Promise<FullDisk> {
  const root = new pg.Client({ connectionString: database.superuserUrl });
  await root.connect();
  const mounted = mountSmall(await dataDirectory(root));
  if (mounted === null) {
    await root.query(`CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file "base/1/2": No space left on device'; END $$`);
    for (const relation of relations)
      await root.query(
        `CREATE TRIGGER full_disk BEFORE INSERT ON ${relation} FOR EACH STATEMENT EXECUTE FUNCTION public.full_disk();
         ALTER TABLE ${relation} ENABLE ALWAYS TRIGGER full_disk`,
      );
    return {
      makeRoom: async () => {
        await root.query('DROP FUNCTION public.full_disk() CASCADE');
      },
      close: async () => root.end(),
    };
  }
  const space = `small_${database.name}`;
  await root.query(`CREATE TABLESPACE ${space} LOCATION '${mounted}/space'`);
  for (const relation of relations) await root.query(`ALTER TABLE ${relation} SET TABLESPACE ${space}`);
  return {
    makeRoom: async () => {
      execFileSync('mount', ['-o', 'remount,size=64m', mounted]);
    },
    close: async () => {
      for (const { name } of (
        await root.query<{ name: string }>(
          `SELECT format('%I.%I', n.nspname, relname) AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
            WHERE relkind = 'r' AND reltablespace = (SELECT oid FROM pg_tablespace WHERE spcname = $1)`,
          [space],
        )
      ).rows)
        await root.query(`ALTER TABLE ${name} SET TABLESPACE pg_default`);
      await root.query(`DROP TABLESPACE ${space}`);
      await root.end();
      execFileSync('umount', [mounted]);
      fs.rmdirSync(mounted);
    },
  };
}

async function dataDirectory(root: pg.Client): Promise<string> {
  const { rows } = await root.query<{ data_directory: string }>('SHOW data_directory');
  return rows[0]?.data_directory ?? '';
}

/** @returns where it is mounted, with a folder that the server owns; null where that is not allowed. */
function mountSmall(serverDirectory: string): string | null {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dbps-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=755', 'tmpfs', directory], { stdio: 'ignore' });
  } catch {
    fs.rmdirSync(directory);
    return null;
  }
  const { uid, gid } = fs.statSync(serverDirectory);
  fs.mkdirSync(path.join(directory, 'space'));
  fs.chownSync(path.join(directory, 'space'), uid, gid);
  return directory;
}
