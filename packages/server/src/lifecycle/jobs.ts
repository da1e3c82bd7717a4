import type { FastifyBaseLogger } from 'fastify';
import { withTimeout } from '@muniment/security';
import type { Activity } from '../audit/activity.ts';
import type { BackgroundLoop } from './background-loops.ts';

/** Loops that run while the replica listens. */
export interface Jobs {
  /** Adds a loop. It starts with listening and stops after the last request. */
  add(loop: BackgroundLoop): void;
  /** Closes something that loops use, once the last of them has stopped. */
  closeAfter(close: () => unknown): void;
}

/** How long a stop waits for rounds in progress, e.g. for a mail server that does not answer. */
const STOP_TIMEOUT_MS = 5_000;

interface JobsOptions {
  log: Pick<FastifyBaseLogger, 'warn'>;
  activity?: Activity;
  stopTimeoutMs?: number;
}

/**
 * `start` and `stop` are the server's own; features only add. A stop leaves a loop that takes too
 * long, as a crash would: the work is done again.
 */
export function createJobs({
  log,
  activity,
  stopTimeoutMs = STOP_TIMEOUT_MS,
}: JobsOptions): Jobs & { start(): void; stop(): Promise<void> } {
  const loops: BackgroundLoop[] = [];
  const closers: (() => unknown)[] = [];

  async function stopLoops(): Promise<void> {
    const running = new Set(loops.map(({ name }) => name));
    const stopped = loops.map(async (loop) => {
      await loop.stop();
      running.delete(loop.name);
    });
    await withTimeout(Promise.all(stopped), stopTimeoutMs, () =>
      log.warn({ loops: [...running] }, 'the stop does not wait for loops any longer'),
    );
  }

  return {
    add: (loop) => void loops.push(loop),
    closeAfter: (close) => void closers.push(close),
    start() {
      for (const loop of loops) loop.start(activity);
    },
    async stop() {
      await stopLoops();
      await Promise.all(closers.map((close) => close()));
    },
  };
}
