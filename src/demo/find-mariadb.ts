/** Where a MariaDB server is installed, if it is: npm brings none. */
import fs from 'node:fs';
import path from 'node:path';

/** A user's PATH seldom has the folders of servers. */
const SERVER_FOLDERS = [
  '/usr/sbin',
  '/usr/local/sbin',
  '/usr/libexec',
  '/usr/local/bin',
  '/opt/homebrew/bin',
];

export class MariadbMissing extends Error {
  constructor() {
    super('no mariadbd was found');
    this.name = 'MariadbMissing';
  }
}

/** For people to type. It starts no server: the package is the program alone. */
export const INSTALL_MARIADB =
  'sudo apt-get install --no-install-recommends mariadb-server-core   (Fedora: sudo dnf install mariadb-server; macOS: brew install mariadb)';

/** @throws MariadbMissing */
export function findMariadb(
  folders: readonly string[] = [...(process.env['PATH'] ?? '').split(path.delimiter), ...SERVER_FOLDERS],
): string {
  const found = folders
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, 'mariadbd'))
    .find((file) => fs.existsSync(file));
  if (found === undefined) throw new MariadbMissing();
  return found;
}
