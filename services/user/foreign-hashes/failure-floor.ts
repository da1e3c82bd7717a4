import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { Overloaded, type PasswordHasher } from '@muniment/security';
import type { Tables } from '../tables.ts';
import { listHashCosts, type HashCost } from './foreign-hash-queries.ts';

/** For how long a replica may not know of a cost that another has stored. */
export const COSTS_TTL_MS = 2_000;
const MEASUREMENTS = 3;
/** Above the slowest measurement, since a check beside others takes longer. */
const MARGIN = 1.5;

/** The least time that a failed login takes. */
export interface FailureFloor {
  /** Waits until a failed check that began at `startedAt` may be answered. */
  wait(startedAt: number): Promise<void>;
}

/**
 * While there are hashes of other systems, a failed login takes the time of the costliest one.
 * Otherwise its time would tell which addresses have an account, and from where they came.
 */
export function createFailureFloor(db: Kysely<Tables>, passwords: PasswordHasher): FailureFloor {
  const measured = new Map<string, Promise<number>>();
  let costs: Promise<HashCost[]> = Promise.resolve([]);
  let readAt = -Infinity;
  let measuring: Promise<unknown> = Promise.resolve();

  function readCosts(): Promise<HashCost[]> {
    const now = performance.now();
    if (now - readAt < COSTS_TTL_MS) return costs;
    readAt = now;
    costs = listHashCosts(db);
    costs.catch(() => (readAt = -Infinity));
    return costs;
  }

  async function measure(decoy: string): Promise<number> {
    const times: number[] = [];
    for (let n = 0; n < MEASUREMENTS; n += 1) {
      const begin = performance.now();
      await passwords.verifyForeign(decoy, 'a password of nobody');
      times.push(performance.now() - begin);
    }
    return Math.max(...times) * MARGIN;
  }

  async function timeOf({ cost_class: costClass, decoy }: HashCost): Promise<number> {
    let time = measured.get(costClass);
    if (!time) {
      // One after another: many at once would wait for each other, and logins for them.
      time = measuring.then(() => measure(decoy));
      measuring = time.catch(() => {});
      measured.set(costClass, time);
      // Without a place in the queue it is measured at the next failure.
      time.catch(() => measured.delete(costClass));
    }
    try {
      return await time;
    } catch (error) {
      if (error instanceof Overloaded) return 0;
      throw error;
    }
  }

  return {
    async wait(startedAt) {
      const times = await Promise.all((await readCosts()).map(timeOf));
      if (times.length === 0) return;
      const remaining = startedAt + Math.max(...times) - performance.now();
      if (remaining > 0) await sleep(remaining);
    },
  };
}
