import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MalformedJson, MalformedRequest, MalformedText, UnsupportedMediaType } from '../errors.ts';
import { describeMediaTypes } from './media-types.ts';

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

const MERGE_PATCH = 'application/merge-patch+json';

/** The case of a media type does not count (RFC 9110 §8.3.1). */
const isMergePatch = (type = ''): boolean => type.toLowerCase().startsWith(MERGE_PATCH);

/**
 * Accepts only JSON bodies, those of a PATCH also as JSON Merge Patch. Zero bytes are no body,
 * whatever their type. A 400 refuses what PostgreSQL or canonical JSON cannot hold: NUL, lone
 * surrogates, bytes that are not UTF-8, numbers past the largest double.
 */
export function parseBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser(['application/json', 'text/plain']);
  const types = ['application/json', MERGE_PATCH];
  app.addContentTypeParser(types, { parseAs: 'buffer' }, (request, body, done) => {
    const bytes = body as Buffer;
    if (bytes.length === 0) return done(null);
    // RFC 7396 §2: null removes a field, which is what null does in every PATCH.
    if (request.method !== 'PATCH' && isMergePatch(request.headers['content-type']))
      return done(new UnsupportedMediaType(describeMediaTypes(request)));
    if (!isUtf8(bytes)) return done(new MalformedText());
    const text = bytes.toString();
    return parseJson(request, text, (error: Error | null, value?: unknown) => {
      return done(error ?? findFault(value) ?? null, value);
    });
  });
  // A body of any other type is read, since zero bytes are no body (RFC 9110 §8.3).
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) done(null);
    else done(new UnsupportedMediaType(describeMediaTypes(request)));
  });
  app.addHook('onRequest', (request, _reply, done) => {
    dropTypeOfNothing(request);
    if (request.url.includes('%00')) return done(new MalformedText());
    // RFC 9112 §3.2
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      return done(new MalformedRequest());
    done();
  });
}

/** Fastify refuses a malformed type before it sees that there is no body. */
function dropTypeOfNothing({ headers }: FastifyRequest): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  if (
    length === '0' &&
    encoding === undefined &&
    !headers['content-type']?.startsWith('multipart/')
  )
    delete headers['content-type'];
}
