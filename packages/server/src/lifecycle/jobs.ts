import type { BackgroundLoop } from './background-loops.ts';

/** Loops that run while the replica listens. */
export interface Jobs {
  /** Adds a loop. It starts with listening and stops after the last request. */
  add(loop: BackgroundLoop): void;
  /** Closes something that loops use, once the last of them has stopped. */
  closeAfter(close: () => unknown): void;
}

/** `start` and `stop` are the server's own; features only add. */
export function createJobs(): Jobs & { start(): void; stop(): Promise<void> } {
  const loops: BackgroundLoop[] = [];
  const closers: (() => unknown)[] = [];
  return {
    add: (loop) => void loops.push(loop),
    closeAfter: (close) => void closers.push(close),
    start() {
      for (const loop of loops) loop.start();
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      await Promise.all(closers.map((close) => close()));
    },
  };
}
