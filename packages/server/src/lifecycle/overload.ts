import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import { Overloaded } from '@muniment/security';

/** Node's 10 ms would take 0.4 % of a core at rest, of each replica. */
export const DELAY_RESOLUTION_MS = 50;
const MIN_SAMPLE_MS = 500;
/** A single stall is over once a request is handled, and shows in up to two samples. */
const MAX_LAGGING_SAMPLES = 2;

/** Refuses work with 503 and Retry-After while the event loop lags. */
export function shedLoad(app: FastifyInstance, maxEventLoopDelayMs: number): void {
  const delays = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delays.enable();
  let laggingSamples = 0;
  const sample = setInterval(
    () => {
      const delayMs = delays.mean / 1e6 - DELAY_RESOLUTION_MS;
      // Without a turn of the loop the mean is NaN: the delay was at least as long as the sample.
      laggingSamples = delayMs <= maxEventLoopDelayMs ? 0 : laggingSamples + 1;
      delays.reset();
    },
    Math.max(MIN_SAMPLE_MS, maxEventLoopDelayMs),
  ).unref();
  app.addHook('onRequest', async (request) => {
    if (laggingSamples <= MAX_LAGGING_SAMPLES) return;
    // Probes must learn that the replica lives.
    if (!request.routeOptions.url?.startsWith('/health/')) throw new Overloaded();
  });
  app.addHook('onClose', async () => {
    clearInterval(sample);
    delays.disable();
  });
}
