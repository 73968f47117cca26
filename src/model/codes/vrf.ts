import type { FindingEntry } from './catalogue.js';

export const VRF = {} as const satisfies Record<string, FindingEntry>;
