/** The only reader of isTTY, CI and the colour variables: computed once, passed on. */

export interface Terminal {
  /** May a question be asked? */
  readonly isInteractive: boolean;
  /** May lines on stderr be drawn again? */
  readonly isLive: boolean;
  readonly stdoutColor: boolean;
  readonly stderrColor: boolean;
}

export interface TerminalInput {
  readonly stdin: { readonly isTTY?: boolean };
  readonly stdout: { readonly isTTY?: boolean };
  readonly stderr: { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** False for --no-input. */
  readonly input: boolean;
  /** False for --no-color. */
  readonly color: boolean;
}

export function describeTerminal(options: TerminalInput): Terminal {
  const { stdin, stdout, stderr, env } = options;
  const isSet = (name: string) =>
    env[name] !== undefined && env[name] !== '' && env[name] !== '0' && env[name] !== 'false';
  const isCi = isSet('CI');
  const color = (stream: { readonly isTTY?: boolean }): boolean => {
    if (!options.color || (env['NO_COLOR'] ?? '') !== '') return false;
    if (env['FORCE_COLOR'] !== undefined) return env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== 'false';
    return stream.isTTY === true && env['TERM'] !== 'dumb';
  };
  return {
    isInteractive:
      options.input && !isSet('DBPS_NO_INPUT') && !isCi && stdin.isTTY === true && stderr.isTTY === true,
    isLive: stderr.isTTY === true && !isCi && env['TERM'] !== 'dumb',
    stdoutColor: color(stdout),
    stderrColor: color(stderr),
  };
}
