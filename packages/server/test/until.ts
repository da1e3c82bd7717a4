import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something holds; fails after `ms`. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !(await holds()); await sleep(20)) {
    if (performance.now() > end) throw new Error(`it did not come to hold within ${ms} ms`);
  }
}
