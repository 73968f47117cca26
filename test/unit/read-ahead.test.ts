import { expect, test } from 'vitest';
import type { ChunkReader } from '../../src/engines/engine.js';
import { readAhead } from '../../src/migration/read-ahead.js';

function chunks(count: number) {
  const log: string[] = [];
  let opened = 0;
  let isReading = 0;
  let mostReading = 0;
  const open = async () => {
    if (opened === count) return undefined;
    const item = ++opened;
    log.push(`open ${item}`);
    mostReading = Math.max(mostReading, ++isReading);
    const reader: ChunkReader = {
      format: 'rows',
      data: (async function* () {
        yield [[`${item}a`]];
        yield [[`${item}b`]];
      })(),
      finish: async () => {
        isReading--;
        log.push(`read ${item}`);
        return { position: `${item}`, rows: 2 };
      },
      cancel: async () => {
        log.push(`cancel ${item}`);
      },
    };
    return { item, reader };
  };
  return { log, open, mostReading: () => mostReading };
}

/** A target that goes on storing for a while after it was given the last row. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('the next chunk is opened while the one before is being stored, never two beyond it', async () => {
  const { log, open, mostReading } = chunks(3);
  const stored: unknown[] = [];
  await readAhead(open, async ({ item, reader }) => {
    for await (const rows of reader.data) for (const row of rows) stored.push(String(row));
    await settled();
    log.push(`stored ${item}`);
  });
  expect(stored).toEqual(['1a', '1b', '2a', '2b', '3a', '3b']);
  expect(log).toEqual([
    'open 1',
    'read 1',
    'open 2',
    'stored 1',
    'read 2',
    'open 3',
    'stored 2',
    'read 3',
    'stored 3',
  ]);
  expect(mostReading()).toBe(1);
});

test('a chunk that could not be stored takes the one opened ahead with it', async () => {
  const { log, open } = chunks(3);
  const storing = readAhead(open, async ({ reader }) => {
    for await (const _rows of reader.data);
    await settled();
    throw new Error('disk full');
  });
  await expect(storing).rejects.toThrow('disk full');
  expect(log).toEqual(['open 1', 'read 1', 'open 2', 'cancel 2']);
});

test('a chunk that could not be opened ahead is told when its turn comes', async () => {
  const { log, open } = chunks(1);
  let calls = 0;
  const storing = readAhead(
    async () => {
      if (++calls === 2) throw new Error('connection lost');
      return open();
    },
    async ({ item, reader }) => {
      for await (const _rows of reader.data);
      await settled();
      log.push(`stored ${item}`);
    },
  );
  await expect(storing).rejects.toThrow('connection lost');
  expect(log).toEqual(['open 1', 'read 1', 'stored 1']);
});
