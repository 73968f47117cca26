/** A program that a test needs and npm cannot bring: found, or installed from Debian's packages, or named with the command that installs it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const DIRECTORIES = [
  ...(process.env['PATH'] ?? '').split(path.delimiter),
  '/usr/bin',
  '/usr/sbin',
  '/usr/local/sbin',
  '/usr/libexec',
];

const find = (names: readonly string[]): string | undefined =>
  names
    .flatMap((name) => DIRECTORIES.map((directory) => path.join(directory, name)))
    .find((file) => fs.existsSync(file));

/** @param names any of these will do. @param debianPackage what brings the first of them. */
export function debianProgram(names: readonly string[], debianPackage: string): string {
  const found = find(names);
  if (found !== undefined) return found;
  const install = `apt-get install -y --no-install-recommends ${debianPackage}`;
  if (process.getuid?.() === 0 && find(['apt-get']) !== undefined) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('apt-get', ['update'], { env, stdio: 'ignore' });
    const { stderr } = spawnSync('apt-get', install.split(' ').slice(1), {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const installed = find(names);
    if (installed !== undefined) return installed;
    throw new Error(
      `${names[0]} is needed by this test, and "${install}" did not bring it: ${stderr.slice(-500)}`,
    );
  }
  throw new Error(`${names[0]} is needed by this test. Install it: sudo ${install}`);
}
