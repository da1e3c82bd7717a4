import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import { parseEndpoint, vetEndpoint, type Resolve, type VettedEndpoint } from './endpoint.ts';

/** How an attempt ended. Only a 2xx delivers. */
export interface SendOutcome {
  delivered: boolean;
  /** The status of the answer, if there was one. */
  status: number | null;
  /** Why it was not delivered: a word of ours, never the receiver's. */
  error: string | null;
  /** From Retry-After, milliseconds. */
  retryAfterMs: number;
}

export type Send = (
  url: string,
  headers: Record<string, string>,
  body: string,
  signal?: AbortSignal,
) => Promise<SendOutcome>;

export interface SenderOptions {
  allowList: ReadonlySet<string>;
  resolve: Resolve;
  /** Time-out of a whole attempt: name, connection, request and answer. */
  timeoutMs: number;
  /** Certificates to trust instead of the system's. */
  ca?: string;
}

/** Most bytes that are read of an answer; none are kept. */
const MAX_ANSWER_BYTES = 4 * 1024;

const failure = (error: string, status: number | null = null, retryAfterMs = 0): SendOutcome => ({
  delivered: false,
  status,
  error,
  retryAfterMs,
});

/** RFC 9110 §10.2.3: seconds or a date. */
function retryAfter(value: string | undefined): number {
  if (value === undefined) return 0;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}

/** Answers every lookup of the connection with the checked addresses. */
const pinned =
  (addresses: readonly string[]): LookupFunction =>
  (_hostname, options, callback) => {
    const entries = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
    if (options.all) callback(null, entries);
    else callback(null, entries[0]?.address ?? '', entries[0]?.family);
  };

function outcomeOf({ statusCode = 0, headers }: IncomingMessage): SendOutcome {
  if (statusCode >= 200 && statusCode < 300)
    return { delivered: true, status: statusCode, error: null, retryAfterMs: 0 };
  const error = statusCode >= 300 && statusCode < 400 ? 'redirect_refused' : 'status';
  return failure(error, statusCode, retryAfter(headers['retry-after']));
}

/** Reads a little of the answer, so that a well-behaved receiver can finish it. */
async function drainAnswer(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_ANSWER_BYTES) break;
    }
  } catch {
    // The status is known; how the rest ended changes nothing.
  }
  response.destroy();
}

function post(
  { url, addresses }: VettedEndpoint,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
  ca?: string,
): Promise<SendOutcome> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(body);
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': bytes.length,
        'user-agent': 'Muniment-Webhooks/1',
        ...headers,
      },
      lookup: pinned(addresses),
      // No keep-alive: a kept connection would outlive the check of its address.
      agent: false,
      signal,
      ...(ca !== undefined && { ca }),
    });
    request.on('socket', (socket) => {
      const peer = socket as typeof socket & { remoteAddress?: string };
      // Nothing is written if the runtime connects to another address than it was told.
      peer.once('connect', () => {
        if (!addresses.includes(peer.remoteAddress ?? ''))
          request.destroy(
            Object.assign(new Error('connected elsewhere'), { code: 'address_refused' }),
          );
      });
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const outcome = outcomeOf(response);
      void drainAnswer(response).then(() => resolve(outcome));
    });
    request.end(bytes);
  });
}

function failureOf(error: unknown, timedOut: boolean): SendOutcome {
  if (timedOut) return failure('timeout');
  const { code } = error as { code?: unknown };
  if (code === 'WEBHOOK_URL_REFUSED') return failure('address_refused');
  return failure(typeof code === 'string' ? code.toLowerCase().slice(0, 100) : 'failed');
}

/**
 * Creates the function that posts to endpoints. Each attempt resolves and checks the address, and
 * pins the connection to it. It follows no redirect.
 */
export function createSender({ allowList, resolve, timeoutMs, ca }: SenderOptions): Send {
  return async (url, headers, body, signal) => {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    const either = signal ? AbortSignal.any([late.signal, signal]) : late.signal;
    const attempt = (async () => {
      const endpoint = await vetEndpoint(parseEndpoint(url, allowList), resolve);
      either.throwIfAborted();
      return post(endpoint, headers, body, either, ca);
    })();
    // A lookup cannot be aborted, so the attempt ends without it.
    const aborted = new Promise<never>((_, reject) =>
      either.addEventListener('abort', () => reject(either.reason as Error), { once: true }),
    );
    try {
      return await Promise.race([attempt, aborted]);
    } catch (error) {
      signal?.throwIfAborted();
      return failureOf(error, late.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  };
}
