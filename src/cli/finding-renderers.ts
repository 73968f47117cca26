/** Formats that show findings alone, for whichever command has some. */
import type { Context } from './context.js';
import type { Outcome } from './runner.js';

export function findingRenderers(
  context: Context,
  configFile: string | null,
): NonNullable<Outcome['renderers']> {
  return {
    markdown: async (result) => (await import('../report/markdown.js')).findingsMarkdown(result),
    github: async (result) =>
      (await import('../report/github.js')).githubAnnotations(
        result.findings,
        configFile === null ? null : context.relative(configFile),
      ),
    sarif: async (result) => (await import('../report/sarif.js')).sarif(result, configFile, context.cwd),
    junit: async (result) => (await import('../report/junit.js')).findingsJunit(result),
  };
}
