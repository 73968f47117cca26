import type { Direction } from '../../engines/engine.js';
import { captureStatus } from '../capture.js';
import type { Guard } from '../step-context.js';

function captureAlive(direction: Direction): Guard {
  return {
    name: `${direction}-capture-alive`,
    when: 'always',
    evaluate: async (context) => {
      const status = await captureStatus(context, direction);
      const replication = await context.replication(direction);
      const problem =
        status === null
          ? `${direction} capture is not there`
          : status.isLost
            ? `what ${status.name} needs is gone`
            : status.altered !== undefined
              ? `${status.altered}: changes may be missing`
              : replication?.error != null
                ? `${direction} replication has stopped: ${replication.error.message}`
                : null;
      if (problem === null) return { outcome: 'ok', detail: `${direction} capture is alive` };
      return {
        outcome: 'refused',
        code: 'DBPS_E316',
        detail: problem,
        hint: `dbps status ${context.service.name}`,
        findings: [],
        mayPass: false,
      };
    },
  };
}

export const forwardCaptureAlive = captureAlive('forward');
export const reverseCaptureAlive = captureAlive('reverse');
