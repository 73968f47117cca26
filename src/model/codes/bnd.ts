import type { FindingEntry } from './catalogue.js';

export const BND = {} as const satisfies Record<string, FindingEntry>;
