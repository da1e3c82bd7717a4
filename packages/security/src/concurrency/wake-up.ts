/** Lets waits end early. */
export interface WakeUp {
  /** Ends all waits. */
  wake(): void;
  /** Resolves with the next `wake`, after `ms`, or once `signal` is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createWakeUp(): WakeUp {
  const waits = new Set<() => void>();
  return {
    wake() {
      for (const end of waits) end();
    },
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          waits.delete(end);
          signal.removeEventListener('abort', end);
          resolve();
        };
        const timer = setTimeout(end, ms);
        waits.add(end);
        signal.addEventListener('abort', end);
        if (signal.aborted) end();
      }),
  };
}
