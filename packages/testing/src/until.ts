import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** What is awaited, for the error; by default the condition's source. */
  what?: string;
  timeoutMs?: number;
}

const INTERVAL_MS = 10;

/**
 * Calls a condition until it returns neither false nor undefined.
 * @returns that value
 * @throws after `timeoutMs`, 60 s by default
 */
export async function until<T>(
  condition: () => T | false | undefined | Promise<T | false | undefined>,
  { what = String(condition), timeoutMs = 60_000 }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(INTERVAL_MS);
  }
}
