/** Colour is decided once, by the command line; without it the same text comes out. Never the only signal. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly green: (text: string) => string;
  readonly cyan: (text: string) => string;
}

const same = (text: string): string => text;
export const PLAIN: Style = { bold: same, dim: same, red: same, yellow: same, green: same, cyan: same };

export function bySeverity(style: Style, severity: 'error' | 'warning' | 'note', text: string): string {
  return severity === 'error'
    ? style.red(text)
    : severity === 'warning'
      ? style.yellow(text)
      : style.cyan(text);
}
