import type { FastifyBaseLogger } from 'fastify';
import type { LastSeen } from '@muniment/security';
import { repeat, type BackgroundLoop } from '../lifecycle/background-loops.ts';

const PAUSE_MS = 15_000;

/** Writes when sessions or API tokens were last used, every 15 seconds and at the stop. */
export function flushLastSeen(
  what: string,
  activity: LastSeen,
  log: FastifyBaseLogger,
): BackgroundLoop {
  const failed = (error: unknown): void =>
    log.warn({ err: error }, `when ${what} were last used could not be written; it is tried again`);
  const loop = repeat(`activity of ${what}`, PAUSE_MS, () => activity.flush(), failed);
  return {
    ...loop,
    stop: () =>
      loop
        .stop()
        .then(() => activity.flush({ all: true }))
        .catch(failed),
  };
}
