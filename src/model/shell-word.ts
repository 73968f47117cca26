/** A word for a shell, quoted where it must be: what is printed to be pasted holds names of other people. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
