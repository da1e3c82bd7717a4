export interface WakeableLoopOptions {
  /** @returns milliseconds until the next round; 0 starts it at once. */
  round(): Promise<number>;
  /** @returns milliseconds until the next round. It must not throw. */
  onError(error: unknown): number;
  /** From a wake to the round, in milliseconds. A longer time serves many wakes by one round. */
  gatherMs?: number;
}

export interface WakeableLoop {
  /** Aborted as soon as the loop is told to stop. */
  signal: AbortSignal;
  start(): void;
  /** Resolves after the round in progress. */
  stop(): Promise<void>;
  /** Ends the pause early. During a round it shortens the pause that follows. */
  wake(): void;
}

/** Runs rounds one after the other, with a pause between them that a wake shortens. */
export function createWakeableLoop({
  round,
  onError,
  gatherMs = 0,
}: WakeableLoopOptions): WakeableLoop {
  const stopping = new AbortController();
  let isWoken = false;
  let timer: NodeJS.Timeout | undefined;
  let endPause: (() => void) | undefined;
  let running: Promise<void> = Promise.resolve();

  async function pause(ms: number): Promise<void> {
    if (ms <= 0 || stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      endPause = resolve;
      timer = setTimeout(resolve, isWoken ? Math.min(ms, gatherMs) : ms);
    });
    clearTimeout(timer);
    endPause = undefined;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      isWoken = false;
      await pause(await round().catch(onError));
    }
  }

  return {
    signal: stopping.signal,
    start: () => {
      running = run();
    },
    async stop() {
      stopping.abort();
      endPause?.();
      await running;
    },
    wake() {
      // Only the first one counts: later ones must not push the round away.
      if (isWoken) return;
      isWoken = true;
      if (!endPause) return;
      clearTimeout(timer);
      timer = setTimeout(endPause, gatherMs);
    },
  };
}
