/**
 * Waits for `work`, but no longer than `timeoutMs`; then resolves with what `onTimeout` returns.
 * The work itself goes on. Rejects as `work` does, if it rejects in time.
 */
export async function withTimeout<T, F>(
  work: Promise<T>,
  timeoutMs: number,
  onTimeout: () => F,
): Promise<T | F> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<F>((resolve) => {
    timer = setTimeout(() => resolve(onTimeout()), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
