import type { FindingEntry } from './catalogue.js';

export const RPL = {} as const satisfies Record<string, FindingEntry>;
