import type { Command } from 'commander';
import { UsageError } from '../../model/errors.js';
import type { Bind } from '../runner.js';

export function addExplain(program: Command, bind: Bind): void {
  program
    .command('explain')
    .summary('what a finding or error code means, with an example and the fix')
    .description('Explains a code such as SEC101 or DBPS_E204. Works offline; without a code it lists all.')
    .argument('[code]', 'a code, as printed in reports and errors')
    .addHelpText('after', '\nExample:\n  $ dbps explain SEC101')
    .action(
      bind('explain', ['text', 'json', 'markdown'], async (_context, [asked]) => {
        const { ERROR_CODES, FINDING_CODES, explainCode } = await import('../../model/codes/index.js');
        const { explainText, explainListText, explainMarkdown } =
          await import('../../report/text/explain.js');
        const all = { ...FINDING_CODES, ...ERROR_CODES };
        if (asked === undefined) {
          const codes = Object.entries(all).map(([code, { title }]) => ({ code, title }));
          return {
            result: { codes },
            isYes: true,
            nextSteps: [`dbps explain ${codes[0]?.code ?? 'DBPS_E901'}`],
            text: () => explainListText(codes),
            renderers: { markdown: () => explainMarkdown(all) },
          };
        }
        const code = asked.toUpperCase();
        const entry = explainCode(code);
        if (entry === undefined) {
          const { didYouMean } = await import('../../config/suggest.js');
          const meant = didYouMean(code, Object.keys(all));
          throw new UsageError({
            code: 'DBPS_E106',
            message: `there is no code ${asked}${meant === undefined ? '' : `. Did you mean ${meant}?`}`,
            hint: 'dbps explain',
          });
        }
        return {
          result: { ...entry, code, severity: FINDING_CODES[code]?.severity ?? null },
          isYes: true,
          nextSteps: [],
          text: (style) => explainText(code, entry, style),
          renderers: { markdown: () => explainMarkdown({ [code]: entry }) },
        };
      }),
    );
}
