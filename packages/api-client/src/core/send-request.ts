import type { Answer } from './call.ts';
import type { Body, PlannedRequest, Send } from './plan-request.ts';
import { isProblem, NoAnswer, Problem } from './problem.ts';
import { findRetryDelay, type RetryPolicy } from './retry.ts';
import { pause, startTimeout } from './waiting.ts';

/** What one request was sent with. */
export interface Grant {
  authorization?: string;
  credentials: RequestInit['credentials'];
}

/** Who calls. */
export interface Access {
  /** Whether cookies go along, also with requests that need no credentials. */
  credentials: RequestInit['credentials'];
  /** The present credentials, refreshed when they are about to expire. */
  open(signal: AbortSignal | undefined): Promise<Grant>;
  /** After a 401. @returns whether there are other credentials now than those used */
  renew(used: Grant, signal: AbortSignal | undefined): Promise<boolean>;
}

export interface Sender {
  fetch: Send;
  access: Access;
  retry: RetryPolicy;
  /** Milliseconds for an attempt; for a stream, until it begins. */
  timeoutMs: number;
}

/** A stream of the body for as long as it lasts; else the body, whole. */
async function readBody(response: Response, kind: PlannedRequest['answer']): Promise<unknown> {
  if (kind === 'stream') return response.body;
  if (kind === 'json') return response.json();
  const text = await response.text();
  return kind === 'text' ? text : undefined;
}

function formatInit(request: PlannedRequest, grant: Grant, signal: AbortSignal): RequestInit {
  const { method } = request;
  const headers = new Headers(request.headers);
  if (grant.authorization !== undefined) headers.set('authorization', grant.authorization);
  const body: Body | undefined = request.openBody();
  return {
    method,
    headers,
    signal,
    // No cookies beside a token: the services refuse two credentials.
    ...(grant.credentials !== undefined && { credentials: grant.credentials }),
    ...(body !== undefined && { body }),
    // Without it Node and browsers refuse a stream as a body.
    ...(body instanceof ReadableStream && { duplex: 'half' }),
  } as RequestInit;
}

/** @throws Problem, NoAnswer, or the reason of the caller's signal */
async function attemptOnce(
  sender: Sender,
  request: PlannedRequest,
  grant: Grant,
): Promise<Answer<unknown>> {
  request.signal?.throwIfAborted();
  const timeout = startTimeout(request.timeoutMs ?? sender.timeoutMs, request.signal);
  const init = formatInit(request, grant, timeout.signal);
  try {
    const response = await (request.send ?? sender.fetch)(request.url, init);
    // A problem that is cut off is still one, by its status.
    if (!response.ok) throw new Problem(response, await response.text().catch(() => ''));
    const data = await readBody(response, request.answer);
    return { data, status: response.status, headers: response.headers };
  } catch (error) {
    request.signal?.throwIfAborted();
    if (error instanceof Problem) throw error;
    const cause = timeout.signal.aborted ? timeout.signal.reason : error;
    throw new NoAnswer(`${request.method} ${request.url} got no whole answer.`, { cause });
  } finally {
    timeout.clear();
  }
}

/** Seed 004's paths have no problems, so their 401 has no code. */
const isUnauthenticated = (error: unknown): boolean =>
  isProblem(error, 'unauthenticated', 'not_a_problem') && error.status === 401;

/**
 * Makes the request until it is answered, within the bounds of the policy.
 * @throws Problem, NoAnswer, or the reason of the caller's signal
 */
export async function sendRequest(
  sender: Sender,
  request: PlannedRequest,
): Promise<Answer<unknown>> {
  const policy = { ...sender.retry, maxAttempts: request.maxAttempts ?? sender.retry.maxAttempts };
  let isRenewed = request.isPublic || !request.hasBodyAgain;
  for (let attempt = 1; ; attempt += 1) {
    // A refresh is public: would it wait for fresh credentials, it would wait for itself.
    const grant = request.isPublic
      ? { credentials: sender.access.credentials }
      : await sender.access.open(request.signal);
    try {
      return await attemptOnce(sender, request, grant);
    } catch (failure) {
      request.signal?.throwIfAborted();
      if (!isRenewed && isUnauthenticated(failure)) {
        isRenewed = true;
        if (!(await sender.access.renew(grant, request.signal))) throw failure;
        continue;
      }
      const delayMs = findRetryDelay(policy, request, { failure, attempt });
      if (delayMs === undefined) throw failure;
      await pause(delayMs, request.signal);
    }
  }
}
