import type { FastifyInstance } from 'fastify';
import { Overloaded } from '@muniment/security';
import { DELAY_RESOLUTION_MS, type DelaySampling } from './event-loop-lag.ts';

/**
 * Refuses work with 503 and Retry-After while the event loop lags. A single stall is over once a
 * request is handled, and shows in up to two samples; so only lag in a third one refuses.
 * @param maxEventLoopDelayMs 0 refuses nothing
 */
export function shedLoad(
  app: FastifyInstance,
  sampling: DelaySampling,
  maxEventLoopDelayMs: number,
): void {
  if (maxEventLoopDelayMs === 0) return;
  // A sample without a turn of the loop counts as lag, so none may be that short.
  const sampleMs = Math.max(500, maxEventLoopDelayMs);
  const delays = sampling.open();
  let isLagging = false;
  let laggingSince = -Infinity;
  let lastSeen = -Infinity;
  const timer = setInterval(() => {
    // Without a turn of the loop the mean is NaN, which is not below the limit either.
    isLagging =
      sampling.isSampling() && !(delays.mean / 1e6 - DELAY_RESOLUTION_MS <= maxEventLoopDelayMs);
    delays.reset();
  }, sampleMs).unref();
  app.addHook('onRequest', async (request) => {
    // Probes must learn that the replica lives.
    if (!isLagging || request.routeOptions.url?.startsWith('/health/')) return;
    const now = performance.now();
    if (now - lastSeen > 2 * sampleMs) laggingSince = now;
    lastSeen = now;
    if (now - laggingSince > 2 * sampleMs) throw new Overloaded();
  });
  app.addHook('onClose', async () => {
    clearInterval(timer);
  });
}
