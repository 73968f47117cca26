import { archiveDirectory, readManifest, writeArchive } from '../archive.js';
import type { Step, StepContext } from '../step-context.js';
import { isRetiring } from './final-barrier.js';

/** Where the relations go before they are dropped; with `attested`, somebody has said that they are backed up elsewhere. */
export const archive: Step = {
  name: 'archive',
  describe: async (context) => {
    const to = context.settings.archive;
    return [
      {
        where: 'outside',
        sql: null,
        purpose:
          'attested' in to
            ? `nothing is written: attested as backed up elsewhere (${to.attested})`
            : `write ${context.maps.length} relations to ${archiveDirectory(to.directory, context.service.name, context.plan.hash)}`,
      },
    ];
  },
  check: async (context) => ((await isRetiring(context)) ? 'done' : 'todo'),
  do: async (context) => {
    const to = context.settings.archive;
    if ('attested' in to) return { attested: to.attested };
    const { service, plan, legacy, maps, signal } = context;
    const began = context.now();
    let rows = 0;
    let bytes = 0;
    const manifest = await writeArchive({
      directory: to.directory,
      service: service.name,
      planHash: plan.hash,
      legacy,
      maps,
      createdAt: new Date(began).toISOString(),
      signal,
      onRelation: (relation, moreRows, moreBytes) => {
        rows += moreRows;
        bytes += moreBytes;
        context.emit({
          type: 'progress',
          service: service.name,
          activity: 'archive',
          relation,
          rows,
          totalRows: service.estimatedRows,
          bytes,
          rowsPerSecond: (rows * 1000) / Math.max(1, context.now() - began),
          etaMs: null,
        });
      },
    });
    return {
      directory: archiveDirectory(to.directory, service.name, plan.hash),
      relations: manifest.relations.length,
      rows,
      bytes,
    };
  },
  verify: async (context) => {
    if ((await manifestOf(context)) === 'missing') throw new Error('the archive has no manifest');
  },
};

async function manifestOf(context: StepContext): Promise<'attested' | 'whole' | 'missing'> {
  const to = context.settings.archive;
  if ('attested' in to) return 'attested';
  const directory = archiveDirectory(to.directory, context.service.name, context.plan.hash);
  return (await readManifest(directory)) === null ? 'missing' : 'whole';
}
