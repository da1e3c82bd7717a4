import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { MalformedText } from './errors.ts';

function holdsOnlyStorableText(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, member]) => holdsOnlyStorableText(name) && holdsOnlyStorableText(member));
}

/**
 * Takes JSON and nothing else, and refuses text that PostgreSQL or canonical JSON cannot hold (NUL, lone surrogates, bytes that are
 * not UTF-8) with a 400, before any handler could fail on it. Both can only come as escapes, so a body without `\u` is not walked.
 */
export function parseBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (!isUtf8(bytes)) return done(new MalformedText());
    const text = bytes.toString();
    if (!text.includes('\\u')) return parseJson(request, text, done);
    return parseJson(request, text, (error: Error | null, value?: unknown) => {
      if (!error && !holdsOnlyStorableText(value)) return done(new MalformedText());
      return done(error, value);
    });
  });
  app.addHook('onRequest', (request, _reply, done) => done(request.url.includes('%00') ? new MalformedText() : undefined));
}
