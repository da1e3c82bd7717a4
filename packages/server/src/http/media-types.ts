import type { FastifyRequest } from 'fastify';

const MEDIA_TYPES = [
  'application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
] as const;

/** One sentence or two: which Content-Type a request's route takes. */
export function describeMediaTypes({ server, routeOptions }: FastifyRequest): string {
  const types = MEDIA_TYPES.filter((type) => server.hasContentTypeParser(type));
  const [first = 'application/json', ...others] = types;
  if (first === 'application/json' && !routeOptions.config.definition?.body)
    return 'This route takes no body. Send none, and no Content-Type.';
  const names = [first, ...others].join(' or ');
  return `The body must be ${names}. Send it with the header "Content-Type: ${first}".`;
}
