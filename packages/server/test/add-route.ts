import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { defineRoute, rawBody, type App, type RouteDefinition } from '../src/index.ts';

interface ProbeRoute extends Partial<
  Omit<RouteDefinition<undefined>, 'method' | 'url' | 'handler'>
> {
  method?: 'GET' | 'POST';
  url: string;
  handler(request: FastifyRequest, reply: FastifyReply): unknown;
}

/** Adds a route of a test: public, and with an operation made of its method and path. */
export function addRoute(app: App, { method = 'GET', handler, ...route }: ProbeRoute): void {
  const words = route.url.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const endpoint = defineRoute({
    operation: `probe.${method.toLowerCase()}_${words.join('_')}`,
    summary: 'Serve a test.',
    access: 'public',
    params: Type.Object({}),
    response: { 200: rawBody('What the test answers.') },
    errors: [],
    // These handlers change nothing that a condition could name.
    ...(/[:*]/.test(route.url) && { preconditions: 'handler' as const }),
    ...route,
    method,
    handler: () => handler as () => unknown,
  } as RouteDefinition<undefined>);
  endpoint(app, undefined);
}
