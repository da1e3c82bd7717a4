import { setTimeout as sleep } from 'node:timers/promises';

const MAX_FAILURES_IN_A_ROW = 100;
const MAX_ERROR_KINDS = 5;

export interface LoadOptions {
  workers: number;
  seconds: number;
  maxRequests: number;
}

export interface LoadResult {
  /** Duration of each good answer, shortest first. */
  tookMs: number[];
  failed: number;
  /** How often each error came. */
  errors: Record<string, number>;
  seconds: number;
}

/** Sends requests with a fixed number under way. Each answer is checked by `send`. */
export async function runLoad(
  send: (worker: number) => Promise<void>,
  { workers, seconds, maxRequests }: LoadOptions,
): Promise<LoadResult> {
  const tookMs: number[] = [];
  const errors = new Map<string, number>();
  const state = { started: 0, failed: 0, inARow: 0 };
  const startedAt = performance.now();
  const end = startedAt + seconds * 1_000;
  const mayGoOn = (): boolean =>
    performance.now() < end && state.started < maxRequests && state.inARow < MAX_FAILURES_IN_A_ROW;
  const attempt = async (worker: number): Promise<void> => {
    state.started += 1;
    const sentAt = performance.now();
    try {
      await send(worker);
      tookMs.push(performance.now() - sentAt);
      state.inARow = 0;
    } catch (error) {
      state.failed += 1;
      state.inARow += 1;
      const text = String(error instanceof Error ? error.message : error).slice(0, 160);
      errors.set(text, (errors.get(text) ?? 0) + 1);
      await sleep(5);
    }
  };
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (mayGoOn()) await attempt(worker);
    }),
  );
  const took = (performance.now() - startedAt) / 1_000;
  return {
    tookMs: tookMs.toSorted((a, b) => a - b),
    failed: state.failed,
    errors: Object.fromEntries([...errors].slice(0, MAX_ERROR_KINDS)),
    seconds: took,
  };
}
