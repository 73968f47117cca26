import { defineConfig } from 'vitest/config';
import { FILES_AT_A_TIME } from './test/support/workers.js';

/** `npm run torture`: the whole kill matrix, much longer than `npm test`. TORTURE_LEGS narrows it: `planned>provisioned,sync>decommissioned`, TORTURE_EVERY=7 to each seventh instant; `npm run torture -- run` to one victim, `-- mysql` to one engine. */
export default defineConfig({
  test: {
    name: 'torture',
    include: ['test/torture/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: FILES_AT_A_TIME,
  },
});
