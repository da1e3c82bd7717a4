import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isSafeMethod } from '@muniment/security';
import { PreconditionFailed } from '../../errors.ts';

/** What tells one state of a resource from another. What a resource lacks is absent. */
export interface Validators {
  /** A strong validator with its quotes. */
  etag?: string;
  lastModified?: Date;
}

/** The part of a request that is read. */
export interface ConditionalRequest {
  method: string;
  headers: IncomingHttpHeaders;
}

const ENTITY_TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;
// The three forms of RFC 9110 §5.6.7. Date.parse alone accepts «1».
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]+, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/** Epoch seconds; undefined for malformed dates, which RFC 9110 ignores. */
function parseHttpDate(value: string | undefined): number | undefined {
  if (value === undefined || !HTTP_DATES.some((form) => form.test(value))) return undefined;
  const ms = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1_000);
}

const toSeconds = (date: Date | undefined): number | undefined =>
  date && Math.floor(date.getTime() / 1_000);

/** The strong validator of a resource as its answer shows it. */
export const etagOf = (resource: object): string =>
  `"${hash('sha256', JSON.stringify(resource), 'base64url').slice(0, 22)}"`;

/** The header fields that show a resource's validators. */
export const validatorFields = ({ etag, lastModified }: Validators): Record<string, string> => ({
  ...(etag !== undefined && { etag }),
  ...(lastModified && { 'last-modified': lastModified.toUTCString() }),
});

/** Whether a request has any of the fields that RFC 9110 §13.1 defines, If-Range apart. */
export function hasPreconditions({ headers }: ConditionalRequest): boolean {
  return (
    headers['if-match'] !== undefined ||
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  );
}

/** Whether a list of tags names the resource's, or any resource at all. */
function names(
  list: string,
  current: Validators | undefined,
  comparison: 'strong' | 'weak',
): boolean {
  if (!current) return false;
  if (list.trim() === '*') return true;
  for (const [, weak, tag] of list.matchAll(ENTITY_TAG)) {
    if (tag === current.etag && (comparison === 'weak' || weak === undefined)) return true;
  }
  return false;
}

function mayProceed(headers: IncomingHttpHeaders, current: Validators | undefined): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) return names(ifMatch, current, 'strong');
  const unmodifiedSince = parseHttpDate(headers['if-unmodified-since']);
  const modified = toSeconds(current?.lastModified);
  return unmodifiedSince === undefined || modified === undefined || modified <= unmodifiedSince;
}

function isKnown(
  { method, headers }: ConditionalRequest,
  current: Validators | undefined,
): boolean {
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, current, 'weak');
  if (!isSafeMethod(method)) return false;
  const modifiedSince = parseHttpDate(headers['if-modified-since']);
  const modified = toSeconds(current?.lastModified);
  return modifiedSince !== undefined && modified !== undefined && modified <= modifiedSince;
}

/**
 * Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 §13.2.2.
 * @returns whether to answer 304
 * @throws PreconditionFailed
 */
export function isNotModified(request: ConditionalRequest, current: Validators): boolean {
  if (!mayProceed(request.headers, current)) throw new PreconditionFailed();
  return isKnown(request, current);
}

/**
 * Evaluates the preconditions of a change. Call it in the change's transaction, on the locked row:
 * what is thrown rolls the change back.
 * @param current undefined where the path itself shows no resource
 * @throws PreconditionFailed
 */
export function requirePreconditions(
  request: ConditionalRequest,
  current: Validators | undefined,
): void {
  if (!mayProceed(request.headers, current) || isKnown(request, current))
    throw new PreconditionFailed();
}

/** Whether If-Range allows a partial answer, by strong tag or exact date (RFC 9110 §13.1.5). */
export function isRangeAllowed(
  value: string | readonly string[] | undefined,
  { etag, lastModified }: Validators,
): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'string') return false;
  if (value.includes('"')) return value.trim() === etag;
  const date = parseHttpDate(value);
  return date !== undefined && date === toSeconds(lastModified);
}
