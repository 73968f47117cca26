import type { FindingEntry } from './catalogue.js';

export const SEQ = {} as const satisfies Record<string, FindingEntry>;
