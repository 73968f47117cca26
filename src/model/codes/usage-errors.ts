import type { CodeEntry } from './catalogue.js';

/** Asked wrongly, a decision missing, or refused by the command line itself. */
export const USAGE_ERRORS = {
  DBPS_E101: {
    title: 'unknown command',
    meaning: 'The command line names a command that does not exist.',
    example: 'unknown command "migrate advence". Did you mean "advance"?',
    fix: 'dbps --help lists the commands, dbps <command> --help its options.',
  },
  DBPS_E102: {
    title: 'the command line cannot be read',
    meaning: 'An option is unknown, an argument is missing, or there is one too many.',
    example: 'unknown option "--fromsql". Did you mean "--from-sql"?',
    fix: 'dbps <command> --help.',
  },
  DBPS_E103: {
    title: 'the value of an option has the wrong form',
    meaning: 'A number, a duration or one of a few words was expected.',
    example: '"fast" is no duration (--max-lag)',
    fix: 'Durations are written 500ms, 5s, 10m, 2h or 7d; sizes 512MB or 10GB.',
  },
  DBPS_E104: {
    title: 'this format does not exist here',
    meaning:
      'Each command has the formats that make sense for it; the message lists them. Two formats need two files.',
    example: 'this command has no format "junit"',
    fix: 'dbps help formats. Several at once: --format text --format sarif=dbps.sarif.',
  },
  DBPS_E105: {
    title: 'a file cannot be written or read',
    meaning: 'The result, plan, archive or input file could not be opened.',
    example: 'cannot write /srv/out/plan.json: EACCES',
    fix: 'Check the folder, its permissions and the space on it.',
  },
  DBPS_E106: {
    title: 'no such code',
    meaning: 'dbps explain knows every code that reports and errors print; this is none of them.',
    example: 'there is no code BND999',
    fix: 'dbps explain without a code lists all.',
  },
  DBPS_E107: {
    title: 'no such service or relation',
    meaning: 'The name is not in dbps.yaml or not in the plan.',
    example: 'there is no service "order". Did you mean "orders"?',
    fix: 'Use a name from dbps.yaml; dbps status lists the services.',
  },
  DBPS_E108: {
    title: 'a file that dbps wrote cannot be read back',
    meaning: 'A plan or analysis file is missing, is not JSON, or was written by another version.',
    example: 'dbps/plan.json is not a plan',
    fix: 'Write it again: dbps analyze, or dbps plan.',
  },
  DBPS_E109: {
    title: 'nothing to work on',
    meaning: 'The command needs a database, a file or a service, and none was named.',
    example: 'analyze needs a database or a file',
    fix: 'Give --url, --from-sql or --from, or write a dbps.yaml with dbps init.',
  },
  DBPS_E110: {
    title: 'a decision is needed and nobody can be asked',
    meaning:
      'The command would change something and asks first. There is no terminal, or CI or --no-input is set: dbps never waits for an answer that cannot come.',
    example: 'a decision is needed and nobody can be asked: Move orders to dual-write?',
    fix: 'Add --yes. With --dry-run see first what would be done.',
  },
  DBPS_E111: {
    title: 'the file is already there',
    meaning: 'The command would overwrite a file that you may have edited.',
    example: 'dbps.yaml exists already',
    fix: 'Edit the file, or add --force.',
  },
  DBPS_E112: {
    title: 'this cannot be undone, and --yes does not cover it',
    meaning:
      'Dropping legacy relations is final. It needs the service name typed at a terminal, or a token that names service, plan and state; the token is void as soon as one of them changes.',
    example: 'dbps migrate advance orders --to decommissioned --yes',
    fix: 'Run with --dry-run: it prints the --confirm token.',
  },
  DBPS_E113: {
    title: 'two options say different things',
    meaning:
      'Each of the options named chooses what is looked at; together they would contradict each other.',
    example: '--sample and --recheck both say which rows are compared',
    fix: 'Use one of them.',
  },
  DBPS_E114: {
    title: 'no rows are on record as different',
    meaning:
      'dbps verify keeps the keys of rows that it found different in dbps/verify, so that --recheck can look at just those again. There are none for this service.',
    example: 'orders: no rows are on record as different, so there is nothing to look at again',
    fix: 'dbps verify <service> compares everything.',
  },
  DBPS_E390: {
    title: 'a leftover cannot be removed',
    meaning:
      'It is in use, or it keeps something of yours (a foreign key, a trigger, a sequence bound) that dropping it would lose.',
    example: 'slot dbps_orders_1a2b3c4d_fwd is in use',
    fix: 'Stop whoever uses it; a closed fence is opened by dbps rollback <service>.',
  },
  DBPS_E190: {
    title: 'declined',
    meaning: 'The question was answered with no, or another name was typed. Nothing was changed.',
    example: 'declined; nothing was changed',
    fix: 'Run it again when the time has come.',
  },
} as const satisfies Record<string, CodeEntry>;
