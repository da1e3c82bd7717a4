import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { splitList } from '../lifecycle/config.ts';

/** OWASP REST Security Cheat Sheet: a browser must not run, frame or cache an answer. */
export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-site',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

const EXPOSED_HEADERS = [
  'Link',
  'ETag',
  'Location',
  'Retry-After',
  'RateLimit',
  'RateLimit-Policy',
  'Idempotent-Replayed',
  'Tus-Resumable',
  'Upload-Offset',
  'Upload-Length',
  'Upload-Expires',
];

/** Sets the security headers on every answer, and CORS for the origins allowed by name. */
export async function secureHeaders(app: FastifyInstance, corsOrigins: string): Promise<void> {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
  const origins = splitList(corsOrigins);
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: origins,
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'],
    exposedHeaders: EXPOSED_HEADERS,
    credentials: true,
    maxAge: 600,
  });
}
