import type { FindingEntry } from './catalogue.js';

export const TRG = {} as const satisfies Record<string, FindingEntry>;
