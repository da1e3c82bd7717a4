import { S3ServiceException } from '@aws-sdk/client-s3';
import { ObjectStoreUnavailable } from '../errors.ts';

const UNREACHABLE_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const BROKEN_CODES = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE']);
const TRANSIENT_NAMES = new Set([
  'TimeoutError',
  'RequestTimeout',
  'SlowDown',
  'ServiceUnavailable',
  'InternalError',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
]);

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Whether S3 is out of reach; `attempt` has one error for it. */
export function isS3Unavailable(error: unknown): boolean {
  return error instanceof ObjectStoreUnavailable;
}

/** Whether no connection was made, so that S3 received nothing. */
function neverConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(neverConnected);
  if (!(error instanceof Error)) return false;
  return (
    UNREACHABLE_CODES.has(codeOf(error)) ||
    (timedOut(error) && error.message.includes('did not establish a connection'))
  );
}

function timedOut(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function isTransient(error: unknown): boolean {
  if (neverConnected(error)) return true;
  if (!(error instanceof Error)) return false;
  if (error instanceof S3ServiceException)
    return TRANSIENT_NAMES.has(error.name) || (error.$metadata.httpStatusCode ?? 0) >= 500;
  return timedOut(error) || BROKEN_CODES.has(codeOf(error));
}

/**
 * Sends once more when a kept-alive connection broke. Time-outs get no second attempt, which would
 * double the wait.
 * @param onDoubt called for each failed attempt that S3 may have carried out
 * @throws ObjectStoreUnavailable with its cause, else S3's own error
 */
export async function attempt<T>(send: () => Promise<T>, onDoubt?: () => void): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await send();
    } catch (error) {
      const unheard = neverConnected(error);
      if (!unheard) onDoubt?.();
      if (!isTransient(error)) throw error;
      if (attempts === 2 || unheard || timedOut(error))
        throw new ObjectStoreUnavailable({ cause: error });
    }
  }
}
