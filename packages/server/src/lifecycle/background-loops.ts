/** Work beside requests: a relay, a consumer, a cleanup. */
export interface BackgroundLoop {
  name: string;
  start(): void;
  /** Ends after the current work and releases leases. */
  stop(): Promise<void>;
}

/** Repeats `work` with a pause between, until stopped. A failure is reported and ends nothing. */
export function repeat(
  name: string,
  pauseMs: number,
  work: () => Promise<void>,
  onError: (error: unknown) => void,
): BackgroundLoop {
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  let stopped = false;
  const next = (): void => {
    round = work()
      .catch(onError)
      .then(() => {
        if (!stopped) timer = setTimeout(next, pauseMs);
      });
  };
  return {
    name,
    start: next,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await round;
    },
  };
}
