import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { MalformedJson, MalformedRequest, MalformedText } from '../errors.ts';

const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** Finds what PostgreSQL or canonical JSON cannot hold. 64 KiB of `[` would exhaust a recursion. */
function findFault(root: unknown): Error | undefined {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === 'string' && !isStorable(value)) return new MalformedText();
    if (typeof value === 'number' && !Number.isFinite(value)) return new MalformedJson();
    if (typeof value !== 'object' || value === null) continue;
    if (!Array.isArray(value) && !Object.keys(value).every(isStorable)) return new MalformedText();
    for (const member of Object.values(value)) open.push(member);
  }
  return undefined;
}

/** Parses JSON that is not a body, e.g. a WebSocket's. @throws MalformedJson, MalformedText */
export function parseStorableJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedJson();
  }
  const fault = findFault(value);
  if (fault) throw fault;
  return value;
}

/**
 * Accepts only JSON bodies. A 400 refuses what PostgreSQL or canonical JSON cannot hold: NUL, lone
 * surrogates, bytes that are not UTF-8, numbers past the largest double.
 */
export function parseBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (!isUtf8(bytes)) return done(new MalformedText());
    const text = bytes.toString();
    return parseJson(request, text, (error: Error | null, value?: unknown) => {
      return done(error ?? findFault(value) ?? null, value);
    });
  });
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.url.includes('%00')) return done(new MalformedText());
    // RFC 9112 §3.2
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      return done(new MalformedRequest());
    done();
  });
}
