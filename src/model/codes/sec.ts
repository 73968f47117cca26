import type { FindingEntry } from './catalogue.js';

export const SEC = {} as const satisfies Record<string, FindingEntry>;
