const REPORT_EVERY_MS = 5_000;

interface ParallelRun {
  concurrency: number;
  /** Called every five seconds. */
  onProgress(done: number): void;
}

/** Works off the numbers below `count`, some at once. The first failure stops all. */
export async function runParallel(
  count: number,
  { concurrency, onProgress }: ParallelRun,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let done = 0;
  let hasFailed = false;
  async function run(): Promise<void> {
    while (next < count && !hasFailed) {
      const n = next;
      next += 1;
      await work(n);
      done += 1;
    }
  }
  const timer = setInterval(() => onProgress(done), REPORT_EVERY_MS);
  try {
    await Promise.all(Array.from({ length: concurrency }, run));
  } catch (error) {
    hasFailed = true;
    throw error;
  } finally {
    clearInterval(timer);
  }
}
