/**
 * `analyze`, `plan` and `init` with `--interactive`: walk the proposal, move relations between services, see the price change at once. Ends with
 * the services to be written, or null when the user leaves without.
 */
import type { Analysis } from '../model/analysis.js';
import { BoundaryDraft, type MoveChoice } from '../model/boundary-draft.js';
import type { RelationId } from '../model/relation-id.js';
import { ask } from './prompts.js';
import type { Context } from './context.js';
import { requireTerminal, type Boundaries } from './proposal.js';

type Act = 'move' | 'show' | 'new' | 'rename' | 'undo' | 'write' | 'quit';

const SERVICE_NAME = /^[a-z][a-z0-9_-]{0,39}$/;
const nameRule = 'lower case letters, digits, - and _, at most 40, a letter first';

export async function editBoundaries(context: Context, analysis: Analysis): Promise<Boundaries | null> {
  requireTerminal(context);
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({
    output: context.streams.stderr,
    input: context.streams.stdin,
  });
  const one = async <T>(question: Record<string, unknown>): Promise<T> => {
    const answer = await ask(() =>
      prompt([{ ...question, name: 'value' }] as unknown as Parameters<typeof prompt>[0]),
    );
    return (answer as { value: T }).value;
  };
  const say = (text: string) => context.streams.stderr.write(`${text}\n`);
  const draft = new BoundaryDraft(analysis);

  // The least sure stand first: that is what a walk through the proposal is for.
  const rank = new Map(analysis.placements.map(({ relation }, at) => [relation, at]));
  const sure = new Map(
    analysis.placements.map(({ relation, confidence, isPinned, runnerUp }) => [
      relation,
      isPinned
        ? 'pinned'
        : `${Math.round(confidence * 100)}% sure${runnerUp === null ? '' : `, else ${runnerUp.service}`}`,
    ]),
  );
  const pickRelation = () =>
    one<RelationId>({
      type: 'search',
      message: 'Which relation (type to search)',
      pageSize: 12,
      source: (term: string | undefined) =>
        [...draft.assignment]
          .filter(([id]) => id.toLowerCase().includes((term ?? '').toLowerCase()))
          .sort(([a], [b]) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0))
          .map(([id, service]) => ({ name: `${id}  (${service})  ${sure.get(id) ?? ''}`, value: id })),
    });
  const pickService = (message: string) =>
    one<string>({ type: 'select', message, choices: [...draft.services().keys()] });
  const nameService = (message: string) =>
    one<string>({
      type: 'input',
      message,
      validate: (name: string) =>
        !SERVICE_NAME.test(name) ? nameRule : draft.services().has(name) ? `${name} is there already` : true,
    });

  for (;;) {
    say(summary(draft));
    const act = await one<Act>({
      type: 'select',
      message: 'What next',
      pageSize: 10,
      choices: [
        { name: 'Move a relation', value: 'move' },
        { name: 'Show a service', value: 'show' },
        { name: 'Start a new service', value: 'new' },
        { name: 'Rename a service', value: 'rename' },
        ...(draft.moves > 0 ? [{ name: 'Undo the last change', value: 'undo' }] : []),
        { name: 'Write dbps.yaml', value: 'write' },
        { name: 'Leave without writing', value: 'quit' },
      ],
    });
    switch (act) {
      case 'move': {
        const relation = await pickRelation();
        const stay = '';
        const to = await one<string>({
          type: 'select',
          message: `Move ${relation} from ${draft.assignment.get(relation) ?? ''} to`,
          pageSize: 15,
          choices: [
            ...draft
              .choices(relation)
              .map((choice) => ({ name: choiceLabel(choice), value: choice.service })),
            { name: 'leave it where it is', value: stay },
          ],
        });
        if (to !== stay) draft.move([relation], to);
        break;
      }
      case 'show': {
        const service = await pickService('Which service');
        say(`${service}\n${(draft.services().get(service) ?? []).map((id) => `  ${id}`).join('\n')}`);
        break;
      }
      case 'new': {
        const service = await nameService('Name of the new service');
        draft.move([await pickRelation()], service);
        break;
      }
      case 'rename': {
        const from = await pickService('Which service');
        draft.rename(from, await nameService(`New name of ${from}`));
        break;
      }
      case 'undo':
        draft.undo();
        break;
      case 'write':
        return draft.services();
      case 'quit':
        return null;
    }
  }
}

const signed = (change: number): string =>
  Math.abs(change) < 0.05 ? 'same price' : `${change > 0 ? '+' : '−'}${Math.abs(change).toFixed(1)}`;

const choiceLabel = ({ service, change }: MoveChoice): string => `${service}  ${signed(change)}`;

export function summary(draft: BoundaryDraft): string {
  const services = [...draft.services()];
  const width = Math.max(...services.map(([name]) => name.length), 0);
  const { price, crossings } = draft.price();
  const change = price - draft.proposalPrice().price;
  return [
    '',
    ...services.map(
      ([name, relations]) => `  ${name.padEnd(width)}  ${String(relations.length).padStart(4)} relations`,
    ),
    '',
    `  price ${price.toFixed(1)}, ${crossings} crossings${draft.moves === 0 ? '' : `   ${signed(change)} since the proposal`}`,
    '',
  ].join('\n');
}
