import type { FastifyInstance } from 'fastify';
import { Histogram, collectDefaultMetrics, type Registry } from 'prom-client';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Stable name of what the route does, e.g. `file.upload`: the label of its metrics and logs. */
    operation?: string;
  }
}

// prom-client's gauges that end in _total: promtool refuses them, since that ending is a counter's.
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** A registry with the process's own metrics, and the duration of every request by operation. No label ever holds an id. */
export function measureRequests(app: FastifyInstance, registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer.',
    labelNames: ['operation', 'method', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  app.addHook('onResponse', (request, reply, done) => {
    const operation = request.routeOptions.config.operation ?? 'unmatched';
    duration.observe(
      {
        operation,
        method: operation === 'unmatched' ? 'ANY' : request.method,
        status: reply.statusCode,
      },
      reply.elapsedTime / 1_000,
    );
    done();
  });
  app.get(
    '/metrics',
    { config: { operation: 'metrics', access: 'public' }, logLevel: 'silent' },
    async (_request, reply) => {
      return reply.type(registry.contentType).send(await registry.metrics());
    },
  );
}
