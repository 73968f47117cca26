/**
 * Questions, always on stderr (inquirer would use stdout), and only where somebody can answer: otherwise the error names the flag.
 * Three levels: nothing is asked for what writes nothing; y/N or --yes for what can be taken back; the typed name or a
 * --confirm token, bound to plan and state, for what cannot.
 */
import { InterruptedError, RefusedError, UsageError } from '../model/errors.js';
import type { Context } from './context.js';

export async function confirmReversible(context: Context, question: string): Promise<void> {
  if (context.flags.yes === true) return;
  if (!context.terminal.isInteractive)
    throw new UsageError({
      code: 'DBPS_E110',
      message: `a decision is needed and nobody can be asked: ${question}`,
      hint: 'add --yes, or --dry-run to see what would be done',
    });
  const { default: inquirer } = await import('inquirer');
  const { yes } = await ask<{ yes: boolean }>(() =>
    inquirer.createPromptModule({ output: context.streams.stderr, input: context.streams.stdin })([
      { type: 'confirm', name: 'yes', message: question, default: false },
    ]),
  );
  if (!yes) throw declined();
}

/** @param isValidToken judges a --confirm token; `undefined`: the use case will. */
export async function confirmIrreversible(
  context: Context,
  options: { readonly service: string; readonly question: string; readonly token: string | undefined },
): Promise<void> {
  if (options.token !== undefined) return;
  if (!context.terminal.isInteractive)
    throw new UsageError({
      code: 'DBPS_E112',
      message: 'this cannot be undone, and --yes does not cover it',
      hint: 'run with --dry-run to get the --confirm token',
    });
  const { default: inquirer } = await import('inquirer');
  const { name } = await ask<{ name: string }>(() =>
    inquirer.createPromptModule({ output: context.streams.stderr, input: context.streams.stdin })([
      {
        type: 'input',
        name: 'name',
        message: `${options.question} This cannot be undone. Type ${options.service} to go on:`,
      },
    ]),
  );
  if (name !== options.service) throw declined();
}

/** Ctrl-C at a question is an answer: stop. */
export async function ask<T>(prompt: () => Promise<T>): Promise<T> {
  try {
    return await prompt();
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError')
      throw new InterruptedError({
        code: 'DBPS_E501',
        message: 'stopped at a question; nothing was changed',
      });
    throw error;
  }
}

export function declined(): RefusedError {
  return new RefusedError({ code: 'DBPS_E190', message: 'declined; nothing was changed' });
}
