import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import { readEndpoint, vetEndpoint, type Resolve, type VettedEndpoint } from './endpoint.ts';

/** How an attempt ended. Delivered only by a 2xx. */
export interface SendOutcome {
  delivered: boolean;
  /** What was answered, if anything was. */
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
  /** For all of an attempt: name, connection, request and answer. */
  timeoutMs: number;
  /** Certificates to trust instead of the system's. */
  ca?: string;
}

/** What is read of an answer at most; nothing of it is kept. Reading a little lets well-behaved receivers end in good order. */
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

/** Answers every look-up of the connection with what was vetted. */
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

/** Reads a little of the answer, so that the sender is not cut off in the middle of a short one. */
async function takeLeave(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_ANSWER_BYTES) break;
    }
  } catch {
    // The status has been given; how the rest ended changes nothing.
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
      // A connection of its own for each: one kept alive would outlive the check of its address.
      agent: false,
      signal,
      ...(ca !== undefined && { ca }),
    });
    request.on('socket', (socket) => {
      const peer = socket as typeof socket & { remoteAddress?: string };
      // Should a runtime ever connect elsewhere than it was told, nothing is written there.
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
      void takeLeave(response).then(() => resolve(outcome));
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
 * Makes what posts to webhooks' endpoints. An address is looked up once for each attempt, checked, and the connection is pinned to it; the name
 * stays in Host, in SNI and in the check of the certificate. No redirect is followed.
 */
export function createSender({ allowList, resolve, timeoutMs, ca }: SenderOptions): Send {
  return async (url, headers, body, signal) => {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), timeoutMs);
    const either = signal ? AbortSignal.any([late.signal, signal]) : late.signal;
    const attempt = (async () => {
      const endpoint = await vetEndpoint(readEndpoint(url, allowList), resolve);
      either.throwIfAborted();
      return post(endpoint, headers, body, either, ca);
    })();
    // A name server that never answers can't be aborted; the attempt ends without it.
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
