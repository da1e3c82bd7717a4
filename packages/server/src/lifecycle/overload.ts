import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { Overloaded } from '@muniment/security';

/**
 * Refuses work with 503 and Retry-After while the event loop lags: an answer that comes too late helps nobody, and the next replica may be idle.
 * Lagging is a state, not an instant: one stall (a start on a busy machine, a stopped process that goes on) is over when a request can be
 * looked at, and would refuse a second's worth of them for nothing. A stall shows in up to two samples, so it takes lag in a third.
 */
export async function shedLoad(app: FastifyInstance, maxEventLoopDelayMs: number): Promise<void> {
  // A sample in which the loop never turned counts as an endless delay, so one must not be shorter than the delay that is allowed.
  const sampleInterval = Math.max(500, maxEventLoopDelayMs);
  let laggingSince = -Infinity;
  let lastSeen = -Infinity;
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    sampleInterval,
    pressureHandler(request) {
      // Who asks whether this replica lives must hear that it does.
      if (request.routeOptions.url?.startsWith('/health/')) return;
      const now = performance.now();
      if (now - lastSeen > 2 * sampleInterval) laggingSince = now;
      lastSeen = now;
      if (now - laggingSince > 2 * sampleInterval) throw new Overloaded();
    },
  });
}
