/**
 * What names and statements of others may hold and a terminal would obey: control characters, escape sequences other than colours, and marks
 * that turn the direction of text. Each is shown as U+FFFD.
 */
export function printable(text: string): string {
  return text.replaceAll(COMMANDS, '\u{FFFD}');
}

const COMMANDS = /(?!\u001B\[[\d;]*m)[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g;
