import type { FindingEntry } from './catalogue.js';

export const TRG = {
  TRG301: {
    title: 'something below a relation that moves cannot be fenced',
    severity: 'error',
    meaning:
      'A foreign table that is a partition or an inheritance child is written on another server: locks and triggers here do not hold its writers.',
    example: 'public.events_2019 is below a relation that moves, but is no table of this server',
    fix: 'Detach it from its parent, or leave the parent where it is.',
  },
  TRG302: {
    title: 'rules need the replica role',
    severity: 'error',
    meaning:
      'A rule rewrites every statement on its table, those of the applier too, and the server refuses INSERT … ON CONFLICT there. Under session_replication_role = replica rules do not act. The shared database keeps its rules after the cutover and the service database after a rollback, so it is needed on both servers; without it replication would stop at the first row.',
    example:
      'public.payment has rules, so rows can be applied to it as a replica only; permission denied to set parameter "session_replication_role"',
    fix: 'As a superuser, on both servers: GRANT SET ON PARAMETER session_replication_role TO dbps; (PostgreSQL 15 and later). Or replace the rules by triggers.',
  },
  TRG311: {
    title: 'a table without transactions cannot be fenced',
    severity: 'error',
    meaning:
      'MyISAM, Aria, MEMORY and their like write at once and take no row locks: nothing makes their writers wait, and a write that is refused half way leaves its first rows.',
    example: 'shop.hits is stored by MyISAM: its writers cannot be made to wait',
    fix: 'ALTER TABLE shop.hits ENGINE=InnoDB; (it copies the table), or leave it out of the service.',
  },
  TRG312: {
    title: 'the storage engine changes rows behind the log',
    severity: 'error',
    meaning:
      'InnoDB carries out ON DELETE CASCADE and SET NULL by itself: the child’s rows change without an event in the binary log and without firing a trigger. Capture would miss the change, and a fence would not stop it.',
    example:
      'the key items_ibfk_1 lets the storage engine change shop.items when shop.orders changes (ON DELETE CASCADE)',
    fix: 'Let triggers on the parent do the same, whose statements are logged: CREATE TRIGGER … BEFORE DELETE ON shop.orders FOR EACH ROW DELETE FROM shop.items WHERE order_id = OLD.id; then make the key anew without the action. The finding has the statements, those for ON UPDATE CASCADE and SET NULL too.',
  },
} as const satisfies Record<string, FindingEntry>;
