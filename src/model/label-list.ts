/** `enum('a','b')` and `set('a','b')`, whose labels are part of a column's type on the MySQL family. */

const LIST = /^(enum|set)\(((?:'(?:[^'\\]|''|\\[^])*',?)*)\)$/i;

/** As they are written, quotes and all; null: the type is no list. */
function writtenLabels(type: string): readonly string[] | null {
  const list = LIST.exec(type);
  if (list === null) return null;
  return [(list[1] as string).toLowerCase(), ...((list[2] as string).match(/'(?:[^'\\]|''|\\[^])*'/g) ?? [])];
}

/** The same list with labels added at its end: every stored value keeps its number, and so its label. Not true of equal lists. */
export function isLongerLabelList(before: string, after: string): boolean {
  const [was, is] = [writtenLabels(before), writtenLabels(after)];
  return (
    was !== null && is !== null && is.length > was.length && was.every((label, place) => label === is[place])
  );
}
