/** A run as a person sees it, with everything that is another one each time written as what it is: a file snapshot can hold it. */
import { stripVTControlCharacters } from 'node:util';
import type { CliResult } from './cli.js';
import type { Project } from './project.js';

/** Lines that come when something takes a while: on a slow machine there are more of them. */
const BY_TIME = / rows (?:\d+%|-) | waits for | stream: /;

export function screen(args: readonly string[], result: CliResult, project?: Project): string {
  const parts = [`$ dbps ${args.join(' ')}`, result.stdout.trimEnd()];
  const stderr = result.stderr.split('\n').filter((line) => line !== '' && !BY_TIME.test(line));
  if (stderr.length > 0) parts.push('--- stderr', ...stderr);
  parts.push(`--- exit ${result.code ?? 'by signal'}`);
  return `${normalise(parts.join('\n'), project)}\n`;
}

const DURATION = String.raw`(?:\d+d(?: \d+h)?|\d+h(?: \d+m)?|\d+m(?: \d+s)?|\d+(?:\.\d+)?s|\d+ ms)`;

function normalise(text: string, project: Project | undefined): string {
  let clean = stripVTControlCharacters(text);
  if (project !== undefined) {
    clean = clean.replaceAll(project.directory, '<project>');
    for (const [role, { name }] of [['shared', project.legacy] as const, ...Object.entries(project.targets)])
      clean = clean.replaceAll(name, `<${role}>`);
  }
  return (
    clean
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '<time>')
      .replaceAll(/127\.0\.0\.1:\d+/g, '<host>')
      .replaceAll(/(?<=_)[0-9a-f]{8}(?=_(?:fwd|rev))/g, '<hash>')
      .replaceAll(/(?<=@)[0-9a-f]{8}(?=\.e)/g, '<plan>')
      .replaceAll(/(?<=[Pp]lan |gives |archive\/orders-)[0-9a-f]{8}/g, '<plan>')
      .replaceAll(/\b(dbps|run)-\d+ on \S+/g, '$1-<pid> on <host>')
      .replaceAll(/\b(dbps|run)-\d+/g, '$1-<pid>')
      .replaceAll(/\b[0-9A-F]+\/[0-9A-F]{6,}\b/g, '<position>')
      .replaceAll(/PostgreSQL \d+(?:\.\d+)?/g, 'PostgreSQL <version>')
      // Other tests use the same server.
      .replaceAll(/, \d+ in use now;/g, ', <n> in use now;')
      .replaceAll(/\b\d+ of 64 free/g, '<n> of 64 free')
      .replaceAll(/at most \d+ each/g, 'at most <n> each')
      .replaceAll(/\b\d+(?:\.\d+)? (?:B|kB|MB)\b/g, '<size>')
      .replaceAll(/ *<size>/g, '  <size>')
      // Statistics are counted when the server gets to it, and their width moves the columns beside them.
      .replaceAll(/ +(?:no rows|[\d.]+k? rows\/\w+)(?= )/g, '  <writes>')
      .replaceAll(/size +writes/g, 'size  writes')
      .replaceAll(/lag +runner/g, 'lag  runner')
      .replaceAll(/- +-$/gm, '-  -')
      .replaceAll(new RegExp(` *(?<![\\w.-])${DURATION}(?![\\w.-])`, 'g'), '  <t>')
      .replaceAll(/<t> +(?=\S)/g, '<t>  ')
  );
}
