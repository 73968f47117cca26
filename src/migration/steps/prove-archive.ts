import path from 'node:path';
import { RefusedError } from '../../model/errors.js';
import { archiveDirectory, digestFile, digestRelation, readManifest } from '../archive.js';
import type { Step } from '../step-context.js';
import { isRetiring } from './final-barrier.js';

/**
 * The files, read back from disk, hold the very rows that legacy holds; and legacy has stood still since the final barrier, where it was proven
 * equal to the owner.
 */
export const proveArchive: Step = {
  name: 'prove-archive',
  describe: async (context) =>
    'attested' in context.settings.archive
      ? []
      : [
          {
            where: 'legacy',
            sql: null,
            purpose: `read ${context.maps.length} files back and compare them with the relations, row by row`,
          },
        ],
  check: async (context) =>
    'attested' in context.settings.archive || (await isRetiring(context)) ? 'done' : 'todo',
  do: async (context) => {
    const to = context.settings.archive;
    if ('attested' in to) return;
    const directory = archiveDirectory(to.directory, context.service.name, context.plan.hash);
    const manifest = await readManifest(directory);
    let rows = 0;
    for (const map of context.maps) {
      const entry = manifest?.relations.find(({ relation }) => relation === map.source);
      const [inFile, inRelation] = await Promise.all([
        entry === undefined ? 'missing' : digestFile(path.join(directory, entry.file), context.signal),
        digestRelation(context.legacy, map, context.signal),
      ]);
      if (inFile !== inRelation || entry?.digest !== inRelation) {
        throw new RefusedError({
          code: 'DBPS_E348',
          message: `the archive of ${map.source} does not hold what the relation holds`,
          hint: 'Nothing was dropped. Run it again: the archive is written anew.',
        });
      }
      rows += entry.rows;
    }
    return { rows };
  },
  verify: async () => undefined,
};
