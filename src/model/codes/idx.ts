import type { FindingEntry } from './catalogue.js';

export const IDX = {} as const satisfies Record<string, FindingEntry>;
