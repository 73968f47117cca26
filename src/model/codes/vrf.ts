import type { FindingEntry } from './catalogue.js';

export const VRF = {
  VRF101: {
    title: 'the service database has another shape than planned',
    severity: 'error',
    meaning:
      'Columns, types, keys or partitions differ from the plan. Rows may still compare as equal, column by column, and yet not be what the service will work with.',
    example: 'orders.orders: column "note" was text, is varchar',
    fix: 'dbps plan diff shows both sides. Take the change back, or plan again.',
  },
  VRF201: {
    title: 'rows refer to a parent that is not there',
    severity: 'error',
    meaning:
      'A reference inside the service is broken on the side that follows, and not on the side that owns the writes: a parent row is missing. Foreign keys there do not notice, since replication writes past them.',
    example: 'order_items.order_id -> orders.id: 2 rows refer to a parent that is not there (88121; 90417)',
    fix: 'Verify the parent relation and repair what is missing; then verify again.',
  },
  VRF301: {
    title: 'rows differ',
    severity: 'error',
    meaning:
      'The two databases hold different values, or one lacks the row. Each was looked at several times, with the other side caught up in between, and the owning side did not change meanwhile: this is not lag.',
    example: 'public.shipments: 2 rows differ',
    fix: 'dbps verify <service> --only <relation> --repair-sql repair.sql writes the statements that make the following side equal; read them, run them, verify again. If you cannot say how it came about, roll back.',
  },
  VRF302: {
    title: 'rows changed faster than they could be compared',
    severity: 'warning',
    meaning:
      'Each time these rows were read on one side they had changed again on the other. They are neither equal nor different as far as dbps can tell.',
    example: 'public.counters: 1 row was changed again each time it was looked at',
    fix: 'Verify again in a quieter moment; the write cutover compares them behind its locks, when nobody writes.',
  },
  VRF401: {
    title: 'a sequence is nearly used up',
    severity: 'warning',
    meaning:
      'The cutover sets the sequence ahead by a margin, and a sequence at its end refuses every insert.',
    example: 'public.orders_id_seq: 93 % of its values are used',
    fix: 'ALTER TABLE … ALTER COLUMN id TYPE bigint; ALTER SEQUENCE … AS bigint; before the cutover.',
  },
  VRF501: {
    title: 'legacy accepted a write behind the fence',
    severity: 'error',
    meaning:
      'After the cutover the log of legacy holds a change that dbps did not make: a trigger was disabled, the replica role was used, or a partition had no fence. The owner does not have it.',
    example: 'legacy accepted a update of public.orders (4711), though orders owns the writes',
    fix: 'dbps migrate reconcile <service> shows both versions and the SQL that carries legacy’s over to the service database; with --keep-owner the owner’s rows stand, and legacy’s are made like them. Find out who could write past the fence.',
  },
} as const satisfies Record<string, FindingEntry>;
