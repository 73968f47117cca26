import { expect, test } from 'vitest';
import { CATALOGUE } from '../../src/migration/catalogue.js';
import { TRANSITIONS } from '../../src/model/phases.js';

test('every guard and step of the transitions table exists under its name', () => {
  for (const { guards, steps } of TRANSITIONS) {
    expect(guards.map((name) => CATALOGUE.guard(name).name)).toEqual(guards);
    expect(steps.map((name) => CATALOGUE.step(name).name)).toEqual(steps);
  }
});

test('where ownership moves there is exactly one commit point, and nothing but a way on after it', () => {
  for (const { from, to, steps } of TRANSITIONS) {
    const points = steps.filter((name) => CATALOGUE.step(name).isCommitPoint === true);
    const moves = steps.some((name) => name.startsWith('switch-writes'));
    if (moves) expect(points, `${from} -> ${to}`).toHaveLength(1);
  }
});
