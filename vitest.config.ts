import { defineConfig } from 'vitest/config';
import { FILES_AT_A_TIME } from './test/support/workers.js';

/** Databases are started once for each run by the global set-up; unit tests never touch one. */
const databases = {
  globalSetup: ['test/support/global-setup.ts'],
  testTimeout: 120_000,
  hookTimeout: 120_000,
  pool: 'forks' as const,
  maxWorkers: FILES_AT_A_TIME,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 20_000,
          maxWorkers: FILES_AT_A_TIME,
        },
      },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts'], ...databases } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...databases } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...databases } },
    ],
  },
});
