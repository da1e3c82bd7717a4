import type { FastifyReply, FastifyRequest } from 'fastify';
import { Histogram, collectDefaultMetrics, type Registry } from 'prom-client';
import {
  loadSharedSecret,
  readCredentials,
  rejectCredentials,
  Unauthenticated,
  type SharedSecret,
} from '@muniment/security';
import type { App } from '../http/create-app.ts';
import { defineRoute } from '../http/define-route.ts';
import { rawBody } from '../http/schemas.ts';
import { measureEventLoopLag, type DelaySampling } from '../lifecycle/event-loop-lag.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Stable name of the route, e.g. `uploads.upload_file`: the label of its metrics and logs. */
    operation?: string;
  }
}

// promtool refuses these gauges of prom-client: the ending _total belongs to counters.
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

interface MetricsSource {
  registry: Registry;
  /** Absent: nobody may read them. */
  token: SharedSecret | undefined;
}

/** Prometheus is no user: its token comes from a file and opens nothing else. */
function requireToken({ token }: MetricsSource) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { token: offered } = readCredentials(request, reply, undefined);
    if (!token?.matches(offered)) throw rejectCredentials(reply);
  };
}

const getMetrics = defineRoute({
  method: 'GET',
  url: '/metrics',
  operation: 'metrics.get_metrics',
  summary: 'Get the metrics in the exposition format of Prometheus.',
  access: 'public',
  response: { 200: rawBody('Metrics in the text format 0.0.4.') },
  errors: [Unauthenticated],
  options: (source: MetricsSource) => ({ logLevel: 'silent', onRequest: requireToken(source) }),
  handler:
    ({ registry }: MetricsSource) =>
    async (_request, reply) =>
      reply.type(registry.contentType).send(await registry.metrics()),
});

interface MeasuredParts {
  registry: Registry;
  tokenFile: string | undefined;
  sampling: DelaySampling;
}

/** prom-client samples delays too, and cannot be told not to: once an hour. */
const NEVER_MS = 3_600_000;

/** Measures the process and each request by operation. No label ever holds an id. */
export async function measureRequests(
  app: App,
  { registry, tokenFile, sampling }: MeasuredParts,
): Promise<void> {
  const token = tokenFile === undefined ? undefined : await loadSharedSecret(tokenFile);
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  measureEventLoopLag(registry, sampling.open());
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
    // Who only watches a replica must not keep it awake.
    if (!/^(health|metrics)\./.test(operation)) sampling.start();
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
  getMetrics(app, { registry, token });
}
