import { runRouteHook } from '../publish-route.js';
import type { GuardContext, Step, StepContext } from '../step-context.js';

/** Without a wish, a tenth of the reads: enough to see, little to lose. */
const DEFAULT_SHARE = 10;

async function wanted(
  context: StepContext | GuardContext,
): Promise<{ readShare: number; readRelations: readonly string[] }> {
  const { parameters, store, service } = context;
  const route = await store.route(service.name);
  return {
    readShare:
      parameters.reads ??
      (parameters.readRelations === undefined
        ? Math.max(DEFAULT_SHARE, route?.readShare ?? 0)
        : (route?.readShare ?? 0)),
    readRelations: parameters.readRelations ?? route?.readRelations ?? [],
  };
}

const describeShare = (share: { readShare: number; readRelations: readonly string[] }): string =>
  `send ${share.readShare}% of reads${share.readRelations.length === 0 ? '' : `, and those of ${share.readRelations.join(', ')},`} to the service database`;

export const publishReadShare: Step = {
  name: 'publish-read-share',
  describe: async (context) => [
    { where: 'legacy', sql: null, purpose: describeShare(await wanted(context)) },
  ],
  // The hook may have failed after the route was written: both are done again.
  check: async () => 'todo',
  do: async (context) => {
    const share = await wanted(context);
    const route = await context.store.updateRoute(context.owner, share);
    await context.at('publish-read-share.route-written');
    await runRouteHook(context, route);
    return { reads: route.readShare, readRelations: route.readRelations, revision: route.revision };
  },
  verify: async (context) => {
    const route = await context.store.route(context.service.name);
    if (route === null || route.readShare !== (await wanted(context)).readShare) {
      throw new Error('the route was not published');
    }
  },
  undo: publishNone,
};

async function publishNone(context: StepContext): Promise<void> {
  const route = await context.store.updateRoute(context.owner, { readShare: 0, readRelations: [] });
  await runRouteHook(context, route);
}

export const publishNoReads: Step = {
  name: 'publish-no-reads',
  describe: async () => [{ where: 'legacy', sql: null, purpose: 'send all reads to legacy' }],
  check: async () => 'todo',
  do: publishNone,
  verify: async (context) => {
    const route = await context.store.route(context.service.name);
    if (route !== null && (route.readShare > 0 || route.readRelations.length > 0)) {
      throw new Error('the route was not published');
    }
  },
};
