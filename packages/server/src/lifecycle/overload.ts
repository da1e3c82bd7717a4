import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { Overloaded } from '@muniment/security';

/**
 * Refuses work with 503 and Retry-After while the event loop lags. A single stall is over once a
 * request is handled, and shows in up to two samples; so only lag in a third one refuses.
 */
export async function shedLoad(app: FastifyInstance, maxEventLoopDelayMs: number): Promise<void> {
  // A sample without a turn of the loop counts as endless delay, so none may be that short.
  const sampleInterval = Math.max(500, maxEventLoopDelayMs);
  let laggingSince = -Infinity;
  let lastSeen = -Infinity;
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    sampleInterval,
    pressureHandler(request) {
      // Probes must learn that the replica lives.
      if (request.routeOptions.url?.startsWith('/health/')) return;
      const now = performance.now();
      if (now - lastSeen > 2 * sampleInterval) laggingSince = now;
      lastSeen = now;
      if (now - laggingSince > 2 * sampleInterval) throw new Overloaded();
    },
  });
}
