import type { CodeEntry } from './catalogue.js';

/** What guards and runners of a move refuse. */
export const MOVE_ERRORS = {
  DBPS_E309: {
    title: 'the service database does not exist yet',
    meaning:
      'It is created by the first transition, after its guards have passed. Before that nothing can be asked of it.',
    example: 'the database of orders does not exist yet',
    fix: 'dbps migrate advance <service> --to provisioned.',
  },
  DBPS_E310: {
    title: 'not verified',
    meaning:
      'Reads and writes move only after both databases were compared and found equal. The comparison found a difference, or none as thorough as the gate asks for has succeeded since the copy.',
    example: 'orders cannot go to read-cutover: verified: public.shipments differs in 2 rows',
    fix: 'dbps verify <service> shows the rows; dbps verify <service> --repair-sql writes statements that mend them.',
  },
  DBPS_E311: {
    title: 'the other side is too far behind',
    meaning:
      'Changes take longer to arrive than the gate allows. A read that moved would see old rows, and a cutover would hold writers for as long as the rest takes.',
    example: 'lag-below-limit: 2.8s behind, the limit is 2s',
    fix: 'Wait for it with --wait; a large transaction in legacy or a slow target is the usual cause. --max-lag or migration.gates change the limit.',
  },
  DBPS_E312: {
    title: 'the schema has changed since the copy',
    meaning:
      'Some changes of a schema alter rows without a word in the log: a column added with a default, a type rewritten, a partition attached. Until both sides have the same shape again, what arrives may not be what was written.',
    example: 'public.orders in legacy has changed: column "note" was added',
    fix: 'dbps migrate resume <service> --apply-ddl carries an additive change over; after any other, abort and copy again.',
  },
  DBPS_E313: {
    title: 'the log kept for dbps exceeds its budget',
    meaning:
      'While a replication slot is not read, the server keeps its log. Past migration.walBudget dbps stops and says so, before the disk of the shared database is full.',
    example: 'slot dbps_orders_1f3a_fwd keeps 9.6 GB of the log; the budget is 10 GB',
    fix: 'Keep dbps run going, so that the log is read. If it cannot catch up: raise walBudget where the disk allows it, or abort the service, which drops the slot.',
  },
  DBPS_E314: {
    title: 'too much is left to verify',
    meaning:
      'Rows that changed since they were last verified are compared while writers wait. What is left would not fit into that pause.',
    example: 'changed-keys-fit: 48,000 changed rows are not verified yet; 20,000 fit',
    fix: 'dbps run verifies changed rows as they come: let it run, then try again; or choose a quieter hour.',
  },
  DBPS_E315: {
    title: 'a long transaction is open',
    meaning:
      'The cutover waits for every transaction that has written to the relations. One that is open for long, or prepared and forgotten, would hold everyone up until the fence gives up.',
    example: 'no-long-transactions: pid 4711 (reporting) has been open for 12m',
    fix: 'Let it end, or end it: SELECT pg_terminate_backend(<pid>); for a prepared one ROLLBACK PREPARED.',
  },
  DBPS_E316: {
    title: 'capture is not alive',
    meaning:
      'The way on, or the way back, needs a stream of changes that has been unbroken since it was begun. It is missing, lost, or not running.',
    example: 'reverse-capture-alive: the slot dbps_orders_1f3a_rev is gone',
    fix: 'dbps status <service> names the slot. A lost one cannot be replaced in place: abort and copy again.',
  },
  DBPS_E349: {
    title: 'a unique key does not hold',
    meaning:
      'A DEFERRABLE unique key is checked by a trigger, which does not fire for rows that dbps applies as a replica. On the side that is about to take the writes several rows have the same value.',
    example: 'public.slots has (position) = (3) more than once, against slots_position_key',
    fix: 'dbps verify <service> --mode full shows which row is wrong and writes the SQL that mends it.',
  },
  DBPS_E350: {
    title: 'a write behind the fence cannot be settled row by row',
    meaning:
      'Rows that were written in legacy are settled by reading them again from their owner. Of a TRUNCATE the log does not say which rows it took, and while legacy owns the writes there is nothing to settle.',
    example: 'public.orders was truncated in legacy: no list of keys says which rows are to be read again',
    fix: 'dbps verify <service> --mode full --repair-sql repair.sql writes the SQL that makes legacy equal; after it, dbps migrate advance <service> --keep-owner.',
  },
  DBPS_E361: {
    title: 'copies of shared relations stay read-only copies',
    meaning:
      'Relations under shared: have one owner; every other service that reads them gets copies in a schema of their own, kept current through legacy. They are moved under the name orders-shared as far as dual-write, where they stay: nothing is routed to them, and nobody but dbps writes them. Captures that pass over what dbps itself writes (by triggers) cannot feed them.',
    example: 'orders-shared holds read-only copies for orders: dual-write is as far as they go',
    fix: 'Nothing: they are where they belong. dbps verify orders-shared compares them, dbps migrate abort orders-shared takes them away.',
  },
  DBPS_E362: {
    title: 'the copies of shared relations are not there yet',
    meaning:
      'The service reads relations that another one owns. Its reads go to its own database only when the copies of these are there, in dual-write.',
    example: 'shared-copies: orders reads public.countries, and its copies are not there yet',
    fix: 'dbps migrate advance orders-shared --to provisioned, then --to dual-write. Or take the relation out of shared: if the service asks the owner instead.',
  },
  DBPS_E363: {
    title: 'copies are still fed from legacy',
    meaning:
      'Read-only copies of shared relations are kept current from legacy, also after their owner has a database of its own: reverse capture keeps legacy equal to the owner. Dropping the relations there would leave the copies old without a word.',
    example: 'no-copies-left: orders-shared is fed from legacy’s public.countries',
    fix: 'Leave the owner in sync for as long as there are copies; or let the readers ask the owner, take the copies away (dbps migrate abort orders-shared), and go on.',
  },
  DBPS_E364: {
    title: 'the name is taken by a service of another database',
    meaning:
      'On MySQL and MariaDB the control tables belong to the server, and a service is known there by its name. A service of this name is on its way out of another database of the same server; going on would act on that one.',
    example: 'orders on this server moves out of shop (sync), not out of shop_eu',
    fix: 'Give the service another name in dbps.yaml, and dbps plan again. A service that is decommissioned keeps its name until its rows are taken out of dbps.service.',
  },
  DBPS_E317: {
    title: 'a sequence has no room',
    meaning:
      'At the cutover each sequence is set past everything that the other side may have given. One of them has not enough values left for that.',
    example: 'sequence-headroom: public.orders_id_seq (integer) has 900 values left; 1,000 are needed',
    fix: 'Widen the column and its sequence first: ALTER TABLE … ALTER COLUMN … TYPE bigint.',
  },
  DBPS_E318: {
    title: 'preflight found problems',
    meaning: 'What dbps doctor checks is not in order for this service. Nothing was changed.',
    example: 'preflight-clean: wal_level is "replica"',
    fix: 'dbps doctor lists each problem with its remedy.',
  },
  DBPS_E319: {
    title: 'the service database is not empty',
    meaning: 'dbps creates the relations itself and never writes into relations that it has not made.',
    example: 'target-empty: public.orders is there already',
    fix: 'Name another database or schema under services.<name>.target, or drop what is in the way.',
  },
  DBPS_E326: {
    title: 'the soak is not over',
    meaning:
      'Both sides are kept equal and watched for migration.gates.decommission.soak before anything is dropped.',
    example: 'soak-elapsed: 2d 4h of 7d',
    fix: 'Wait; dbps status <service> shows what is left.',
  },
  DBPS_E327: {
    title: 'paused',
    meaning: 'Somebody paused the service. Nothing moves until it is resumed.',
    example: 'orders is paused: asked for by ops',
    fix: 'dbps migrate resume <service>.',
  },
  DBPS_E502: {
    title: 'the lease could not be renewed',
    meaning:
      'The legacy database could not be reached for as long as the lease lasts, so another runner may have taken over. This one stopped; its epoch keeps it from writing late.',
    example: 'the lease of orders could not be renewed for 30s',
    fix: 'Run the same command again when the database can be reached.',
  },
  DBPS_E503: {
    title: 'the runner went away',
    meaning:
      'A live runner had taken the request and stopped before it was finished. What was done is durable and journalled.',
    example: 'the runner of orders went away while it was at work',
    fix: 'Run the same command again: it goes on from there, by itself if no runner is alive.',
  },
} as const satisfies Record<string, CodeEntry>;
