import cors from '@fastify/cors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { splitList } from '../lifecycle/config.ts';
import { trackPaths } from './known-paths.ts';

/** OWASP REST Security Cheat Sheet: a browser must not run, frame or cache an answer. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-site',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** What pages of allowed origins may read. The gateway's own answers expose the same list. */
const EXPOSED_HEADERS = [
  'Accept-Ranges',
  'Allow',
  'Audit-Event',
  'Content-Disposition',
  'Content-Range',
  'ETag',
  'Idempotent-Replayed',
  'Link',
  'Location',
  'Muniment-Tree-Size',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Tus-Resumable',
  'Upload-Expires',
  'Upload-Length',
  'Upload-Offset',
  'WWW-Authenticate',
  'X-Request-Id',
];

/** Fetch standard §4.8. Every other OPTIONS is a method like any that no route takes. */
const isPreflight = ({ headers }: FastifyRequest): boolean =>
  headers.origin !== undefined && headers['access-control-request-method'] !== undefined;

/**
 * Sets the security headers on every answer, and CORS for the origins allowed by name.
 * @returns what refuses a request that no route takes, before its body is read. Call it once
 * requests are counted, so that refusals are.
 */
export async function secureHeaders(
  app: FastifyInstance,
  corsOrigins: string,
): Promise<() => void> {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
  const refusalOf = trackPaths(app);
  // @fastify/cors would answer these by a text.
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.method === 'OPTIONS' && !isPreflight(request)) done(refusalOf(request));
    else done();
  });
  await allowOrigins(app, splitList(corsOrigins));
  return () =>
    void app.addHook('onRequest', (request, _reply, done) => {
      if (request.is404) done(refusalOf(request));
      else done();
    });
}

async function allowOrigins(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'],
    exposedHeaders: EXPOSED_HEADERS,
    credentials: true,
    maxAge: 600,
  });
}
