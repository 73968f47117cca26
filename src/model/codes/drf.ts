import type { FindingEntry } from './catalogue.js';

export const DRF = {} as const satisfies Record<string, FindingEntry>;
