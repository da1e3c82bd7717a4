import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ChecksumAlgorithm } from '../protocol/checksums.ts';
import { S3Error } from '../protocol/errors.ts';
import type { Store } from '../store/bucket-store.ts';
import type { Extent } from '../store/extent.ts';
import type { StoredObject } from '../store/object-store.ts';
import { receivePayload, type Payload } from '../protocol/payload.ts';
import { authorize, type Authorization, type Credentials } from '../protocol/signature.ts';

/** A verified request: to the service (no bucket), a bucket (no key) or an object. */
export interface S3Request {
  method: string;
  path: string;
  bucket: string;
  key: string;
  query: Map<string, string>;
  header: (name: string) => string | undefined;
  /** All headers, including those that a presigned URL carries in its query. */
  headers: Map<string, string>;
  store: Store;
  /** The body, checked at its end. Answers `Expect: 100-continue`. */
  payload: (fallback?: ChecksumAlgorithm) => Payload;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string | number>;
  xml?: string;
  /** Sent piece after piece, then closed. */
  file?: { object: StoredObject; extents: Extent[] };
}

const MAX_KEY_BYTES = 1024;

/** Parses and authorizes a request. @throws S3Error */
export function readRequest(
  incoming: IncomingMessage,
  response: ServerResponse,
  store: Store,
  credentials: Credentials,
): S3Request {
  const { path, query } = parseTarget(incoming.url ?? '');
  const method = incoming.method ?? '';
  const authorization = authorize(
    { method, path, query, headers: incoming.headersDistinct },
    credentials,
    { now: Date.now() },
  );
  const headers = mergeHeaders(incoming, query, authorization);
  const header = (name: string): string | undefined => headers.get(name);
  const slash = path.indexOf('/', 1);
  const key = slash < 0 ? '' : path.slice(slash + 1);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES)
    throw new S3Error('KeyTooLongError', undefined, {
      Size: String(Buffer.byteLength(key)),
      MaxSizeAllowed: String(MAX_KEY_BYTES),
    });
  return {
    method,
    path,
    bucket: slash < 0 ? path.slice(1) : path.slice(1, slash),
    key,
    query: new Map(query),
    header,
    headers,
    store,
    payload: (fallback) => {
      const payload = receivePayload(incoming, header, {
        authorization,
        ...(fallback && { fallback }),
      });
      if (incoming.headers.expect) response.writeContinue();
      return payload;
    },
  };
}

function parseTarget(target: string): { path: string; query: [string, string][] } {
  const mark = target.indexOf('?');
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  const rawQuery = mark < 0 ? '' : target.slice(mark + 1);
  if (!rawPath.startsWith('/')) throw new S3Error('InvalidURI');
  const query = rawQuery
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair): [string, string] => {
      const equals = pair.indexOf('=');
      return equals < 0
        ? [decode(pair, true), '']
        : [decode(pair.slice(0, equals), true), decode(pair.slice(equals + 1), true)];
    });
  // Not by URL, which resolves `.` and `..`: in a key they are ordinary text.
  return { path: decode(rawPath, false), query };
}

function decode(text: string, inQuery: boolean): string {
  try {
    return decodeURIComponent(inQuery ? text.replaceAll('+', ' ') : text);
  } catch (cause) {
    throw new S3Error('InvalidURI', cause instanceof URIError ? undefined : String(cause));
  }
}

// A presigner moves x-amz-* headers into the query, where they mean the same.
function mergeHeaders(
  incoming: IncomingMessage,
  query: [string, string][],
  authorization: Authorization,
): Map<string, string> {
  const headers = new Map<string, string>();
  if (authorization.presigned)
    for (const [name, value] of query)
      if (/^x-amz-/i.test(name)) headers.set(name.toLowerCase(), value);
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined) headers.set(name, String(value));
  return headers;
}
