/** A private server must not outlive whoever started it, however he ends: the demo, the tests and their clusters count on it. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { debianProgram } from '../support/debian-program.js';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test.each(['SIGINT', 'SIGKILL'] as const)(
  'the server ends with its process: %s to the whole group, as a terminal sends it',
  async (signal) => {
    const module = path.resolve(import.meta.dirname, '../../src/demo/private-mariadb.ts');
    const program = debianProgram(['mariadbd', 'mysqld'], 'mariadb-server-core');
    const starter = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        '--input-type=module',
        '--eval',
        `const { startPrivateMariadb } = await import(${JSON.stringify(module)});
         const server = await startPrivateMariadb({ program: ${JSON.stringify(program)}, settings: {} });
         const mysql = (await import('mysql2/promise')).default;
         const connection = await mysql.createConnection(server.url());
         const [[row]] = await connection.query('SELECT @@pid_file AS file');
         console.log(row.file);
         setInterval(() => undefined, 1000);`,
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        detached: true,
        cwd: path.resolve(import.meta.dirname, '../..'),
      },
    );
    const file = await new Promise<string>((resolve, reject) => {
      starter.stdout.once('data', (data: Buffer) => resolve(data.toString().trim()));
      starter.once('exit', (code) => reject(new Error(`ended with ${code}`)));
    });
    try {
      const server = Number(fs.readFileSync(file, 'utf8'));
      expect(isAlive(server)).toBe(true);
      process.kill(-(starter.pid as number), signal);
      await expect.poll(() => isAlive(server), { timeout: 30_000, interval: 100 }).toBe(false);
    } finally {
      fs.rmSync(path.dirname(file), { recursive: true, force: true });
    }
  },
);
