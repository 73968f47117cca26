import { beginCapture, ends, endCapture } from '../capture.js';
import { readShape } from '../shape.js';
import { requireFollowing, requireOwnersStay } from '../reader-copies.js';
import type { Step } from '../step-context.js';

/** Capture first, then the copy: what a chunk may miss, the log delivers. */
export const createForwardCapture: Step = {
  name: 'create-forward-capture',
  describe: async () => [
    { where: 'legacy', sql: null, purpose: 'create forward capture' },
    { where: 'target', sql: null, purpose: 'record where forward capture begins' },
  ],
  check: async () => 'todo',
  do: async (context) => {
    if (context.service.copies !== undefined) {
      requireFollowing(context.service, context.legacy);
      await requireOwnersStay(context.store, context.service);
    }
    // Remembered once: a resumed copy rests on the shape that its first chunk was read in.
    if ((await context.store.shapes(context.service.name)).legacy === null) {
      await context.store.saveShapes(context.owner, { legacy: await readShape('legacy', context) });
    }
    await beginCapture(context, 'forward');
    await context.forward.start('spool');
  },
  verify: async (context) => {
    const status = await ends(context, 'forward').from.changes.status({
      service: context.service.name,
      direction: 'forward',
    });
    if (status === null || status.isLost) throw new Error('forward capture is not there');
  },
  undo: async (context) => {
    await endCapture(context, 'forward');
    await context.store.saveShapes(context.owner, { legacy: null, target: null });
  },
};

export const removeForwardCapture: Step = {
  name: 'remove-forward-capture',
  describe: async () => [
    { where: 'legacy', sql: null, purpose: 'drop the slot and the publication of forward capture' },
    { where: 'target', sql: null, purpose: 'forget its checkpoint, what was copied and what was spooled' },
  ],
  check: async () => 'todo',
  do: async (context) => {
    await endCapture(context, 'forward');
    await context.store.saveShapes(context.owner, { legacy: null, target: null });
  },
  verify: async (context) => {
    const { from } = ends(context, 'forward');
    if ((await from.changes.status({ service: context.service.name, direction: 'forward' })) !== null) {
      throw new Error('forward capture is still there');
    }
  },
};
