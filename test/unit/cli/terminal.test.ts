import { expect, test } from 'vitest';
import { describeTerminal } from '../../../src/cli/terminal.js';

const tty = { isTTY: true };
const pipe = {};
const base = { stdin: tty, stdout: tty, stderr: tty, env: {}, input: true, color: true };

test.each([
  ['a terminal', base, true],
  ['stdin from a file', { ...base, stdin: pipe }, false],
  ['stderr into a file', { ...base, stderr: pipe }, false],
  ['stdout into a pipe', { ...base, stdout: pipe }, true],
  ['CI=1', { ...base, env: { CI: '1' } }, false],
  ['CI=true', { ...base, env: { CI: 'true' } }, false],
  ['CI=false', { ...base, env: { CI: 'false' } }, true],
  ['--no-input', { ...base, input: false }, false],
  ['DBPS_NO_INPUT', { ...base, env: { DBPS_NO_INPUT: '1' } }, false],
])('questions may be asked with %s: see the third column', (_what, input, expected) => {
  expect(describeTerminal(input).isInteractive).toBe(expected);
});

test.each([
  ['a terminal', base, true],
  ['a pipe', { ...base, stdout: pipe }, false],
  ['NO_COLOR', { ...base, env: { NO_COLOR: '1' } }, false],
  ['an empty NO_COLOR', { ...base, env: { NO_COLOR: '' } }, true],
  ['TERM=dumb', { ...base, env: { TERM: 'dumb' } }, false],
  ['FORCE_COLOR into a pipe', { ...base, stdout: pipe, env: { FORCE_COLOR: '1' } }, true],
  ['NO_COLOR and FORCE_COLOR', { ...base, env: { NO_COLOR: '1', FORCE_COLOR: '1' } }, false],
  ['--no-color', { ...base, color: false }, false],
])('colour with %s: see the third column', (_what, input, expected) => {
  expect(describeTerminal(input).stdoutColor).toBe(expected);
});
