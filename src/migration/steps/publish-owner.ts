import { runRouteHook } from '../publish-route.js';
import type { Step } from '../step-context.js';

/** The route is the ownership row itself, committed and opened by now; what is left is to tell those who do not read it. */
export const publishOwner: Step = {
  name: 'publish-owner',
  describe: async (context) => [
    {
      where: 'outside',
      sql: null,
      purpose: `run the route hook of ${context.service.name}, if one is configured`,
    },
  ],
  // The hook may not have run before a crash; it is told a fact, so that telling it twice does no harm.
  check: async () => 'todo',
  do: async (context) => {
    const route = await context.store.route(context.service.name);
    if (route === null) return;
    const began = performance.now();
    await runRouteHook(context, route);
    return { owner: route.owner, revision: route.revision, hookMs: Math.round(performance.now() - began) };
  },
  verify: async () => undefined,
};
