import underPressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import { Overloaded } from './errors.ts';

/** Refuses work with 503 and Retry-After while the event loop lags: an answer that comes too late helps nobody, and the next replica may be idle. */
export async function shedLoad(app: FastifyInstance, maxEventLoopDelayMs: number): Promise<void> {
  await app.register(underPressure, {
    maxEventLoopDelay: maxEventLoopDelayMs,
    // A sample in which the loop never turned counts as an endless delay, so one must not be shorter than the delay that is allowed.
    sampleInterval: Math.max(500, maxEventLoopDelayMs),
    pressureHandler(request) {
      // Who asks whether this replica lives must hear that it does.
      if (request.routeOptions.url?.startsWith('/health/')) return;
      throw new Overloaded();
    },
  });
}
