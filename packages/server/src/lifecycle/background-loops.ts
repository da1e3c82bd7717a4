/** Work that goes on beside requests: a relay, a consumer, a settler. */
export interface BackgroundLoop {
  name: string;
  start(): void;
  /** Ends after the piece of work in hand and hands leases over. */
  stop(): Promise<void>;
}

/** Calls `work` again and again with a pause between, until stopped; a failure is reported and the next round comes all the same. */
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
