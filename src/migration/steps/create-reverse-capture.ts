import { beginCapture, ends, endCapture } from '../capture.js';
import type { Step } from '../step-context.js';
import { isControlGone } from './install-control.js';

/** Before anything is written there, so that rollback can later rest on an unbroken stream. */
export const createReverseCapture: Step = {
  name: 'create-reverse-capture',
  describe: async () => [
    { where: 'target', sql: null, purpose: 'create reverse capture' },
    { where: 'legacy', sql: null, purpose: 'record where reverse capture begins' },
  ],
  check: async () => 'todo',
  do: async (context) => {
    await beginCapture(context, 'reverse');
    await context.reverse.start('watch');
  },
  verify: async (context) => {
    const status = await ends(context, 'reverse').from.changes.status({
      service: context.service.name,
      direction: 'reverse',
    });
    if (status === null || status.isLost) throw new Error('reverse capture is not there');
  },
  undo: (context) => endCapture(context, 'reverse'),
};

export const removeReverseCapture: Step = {
  name: 'remove-reverse-capture',
  describe: async () => [
    { where: 'target', sql: null, purpose: 'drop the slot and the publication of reverse capture' },
    { where: 'legacy', sql: null, purpose: 'forget its checkpoint' },
  ],
  check: async (context) => ((await isControlGone(context)) ? 'done' : 'todo'),
  do: (context) => endCapture(context, 'reverse'),
  verify: async (context) => {
    const { from } = ends(context, 'reverse');
    if ((await from.changes.status({ service: context.service.name, direction: 'reverse' })) !== null) {
      throw new Error('reverse capture is still there');
    }
  },
};
