import type { CallOptions, Fleet } from '../../e2e/fleet.ts';
import { abortableSleep } from '../abortable-sleep.ts';
import type { Operation } from '../history.ts';
import type { ActionKind } from '../plan/plan-actions.ts';

export interface ClientRequest extends CallOptions {
  kind: ActionKind;
  method: string;
  path: string;
  /** The id of the file concerned. */
  file?: string;
}

/** A request that times out may still take effect. */
const REQUEST_TIMEOUT_MS = 8_000;
export const BACKOFF_MS = 200;
/** 20 seconds of refusals, which is longer than any fault. */
const MAX_KEYED_ATTEMPTS = 100;

/**
 * Sends a request, with an Idempotency-Key until it is answered: it takes effect once.
 * @returns the text of the answer
 */
export async function sendUntilAnswered(
  fleet: Fleet,
  request: ClientRequest,
  { operation, signal }: { operation: Operation; signal: AbortSignal },
): Promise<string> {
  const isKeyed = request.headers?.['idempotency-key'] !== undefined;
  const maxAttempts = isKeyed ? MAX_KEYED_ATTEMPTS : 1;
  let text = await attempt(fleet, request, operation);
  for (
    let attempts = 1;
    attempts < maxAttempts &&
    !signal.aborted &&
    (operation.result === 'unknown' || operation.code === 'idempotency_in_progress');
    attempts += 1
  ) {
    await abortableSleep(BACKOFF_MS, signal);
    text = await attempt(fleet, request, operation);
    // Rejected before the key was read, which says nothing about the earlier attempts.
    if (operation.code === 'unauthenticated') operation.result = 'unknown';
  }
  if (operation.code === 'idempotency_in_progress') operation.result = 'unknown';
  return text;
}

/** Sends the request once, and writes the outcome into `operation`. */
async function attempt(
  fleet: Fleet,
  request: ClientRequest,
  operation: Operation,
): Promise<string> {
  Object.assign(operation, { result: 'unknown', status: 0, code: null, note: null });
  try {
    const answer = await fleet.call(request.method, request.path, {
      ...request,
      headers: { traceparent: operation.traceparent, ...request.headers },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    Object.assign(operation, {
      status: answer.status,
      requestId: answer.headers.get('x-request-id'),
      replayed: answer.headers.has('idempotent-replayed'),
    });
    const text = await answer.text();
    const isRefused = answer.status >= 400 && answer.status < 500;
    operation.result = answer.ok ? 'ok' : isRefused ? 'refused' : 'unknown';
    if (!answer.ok) operation.code = codeOf(text);
    return text;
  } catch (error) {
    // An answer that is cut off in its body counts as none.
    operation.note = describeError(error);
    return '';
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.cause instanceof Error ? error.cause.message : error.message}`;
}

function codeOf(text: string): string | null {
  try {
    return (JSON.parse(text) as { code?: string }).code ?? null;
  } catch {
    return null;
  }
}
