import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { isSafeMethod } from '@muniment/security';
import type { App } from '../create-app.ts';
import { hasPreconditions, isNotModified, requirePreconditions } from './preconditions.ts';

/**
 * Evaluates the preconditions of every route (RFC 9110 §13) but those whose handler does it. A read
 * is judged by its answer's validators, a change by whether its path can be read. Register it
 * before any route.
 */
export function evaluatePreconditions(app: App): void {
  const readable = new Set<string>();
  app.addHook('onRoute', (route) => {
    const methods = [route.method].flat();
    if (methods.includes('GET')) readable.add(route.url);
    const way = route.config?.definition?.preconditions;
    if (way === 'handler') return;
    if (methods.every(isSafeMethod) && way === undefined) appendHook(route);
    else prependHook(route, readable);
  });
}

/** Fastify's own hook for HEAD, which measures the body, must come before. */
function appendHook(route: RouteOptions): void {
  route.onSend = [...[route.onSend ?? []].flat(), judgeAnswer];
}

function prependHook(route: RouteOptions, readable: ReadonlySet<string>): void {
  route.preHandler = [
    async (request: FastifyRequest, reply: FastifyReply) => {
      if (!hasPreconditions(request)) return;
      // It has no validators, so only `*` can name it.
      const current = readable.has(route.url) ? {} : undefined;
      if (!isSafeMethod(request.method)) requirePreconditions(request, current);
      else if (isNotModified(request, current ?? {})) return reply.code(304).send();
    },
    ...[route.preHandler ?? []].flat(),
  ];
}

/** Turns a 200 whose validators the client has into a 304. @throws PreconditionFailed */
async function judgeAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (reply.statusCode !== 200 || !hasPreconditions(request)) return payload;
  const etag = reply.getHeader('etag');
  const lastModified = reply.getHeader('last-modified');
  const current = {
    ...(typeof etag === 'string' && { etag }),
    ...(typeof lastModified === 'string' && { lastModified: new Date(lastModified) }),
  };
  if (!isNotModified(request, current)) return payload;
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  return null;
}
