/** Places in a log, and ways through it. */

/** Opaque outside its engine: an LSN, a GTID set, a trigger-log id. Text, so that it fits any checkpoint. */
export type Position = string & { readonly position?: never };

/** Which way a stream runs: legacy → service, or back. Each has its own publication, slot and checkpoint. */
export type Direction = 'forward' | 'reverse';
