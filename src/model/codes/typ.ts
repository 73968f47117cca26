import type { FindingEntry } from './catalogue.js';

export const TYP = {} as const satisfies Record<string, FindingEntry>;
