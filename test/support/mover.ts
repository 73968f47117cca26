/** A runner of what a shop moves in a process of its own, which may be killed at a named instant. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Wish } from '../../src/migration/requests.js';
import type { Shop, ShopDatabase } from './move.js';
import type { MoverSetup } from './processes/mover.js';

export interface Mover {
  readonly process: ChildProcess;
  /** Its last word; null when it was killed without one. */
  readonly ended: Promise<MoverWord | null>;
}

export interface MoverWord {
  readonly ok: boolean;
  /** It died here. */
  readonly killedAt?: string;
  /** Instants that it was let through on the way there. */
  readonly passed?: readonly string[];
  readonly code?: string;
  readonly message?: string;
  readonly steps?: readonly { readonly step: string; readonly outcome: string }[];
}

/** @param wish null: the long-lived runner, until SIGTERM. */
export function startMover(
  shop: Shop<ShopDatabase>,
  wish: Wish | null,
  options: Partial<Pick<MoverSetup, 'point' | 'leaseMs' | 'seen' | 'every' | 'settings'>> = {},
): Mover {
  const setup: MoverSetup = {
    legacy: shop.legacy.url,
    service: shop.service.url,
    moves: shop.moves,
    plan: shop.plan,
    wish,
    leaseMs: 1_500,
    ...options,
  };
  const script = path.resolve(import.meta.dirname, 'processes/mover.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(setup)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  const ended = new Promise<MoverWord | null>((resolve, reject) => {
    child.on('close', () => {
      try {
        resolve(said === '' ? null : (JSON.parse(said) as MoverWord));
      } catch (cause) {
        reject(new Error(`a mover said what is not one word: ${said}`, { cause }));
      }
    });
  });
  return { process: child, ended };
}
