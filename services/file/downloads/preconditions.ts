import type { IncomingHttpHeaders } from 'node:http';
import { PreconditionFailed } from '../errors.ts';

export interface Validators {
  /** A strong validator with its quotes. */
  etag: string;
  lastModified: Date;
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

function names(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  for (const [, weak, tag] of list.matchAll(ENTITY_TAG)) {
    if (tag === etag && (comparison === 'weak' || weak === undefined)) return true;
  }
  return false;
}

/**
 * Evaluates preconditions in the order of RFC 9110 §13.2.2.
 * @returns whether to answer 304
 * @throws PreconditionFailed
 */
export function isNotModified(
  headers: IncomingHttpHeaders,
  { etag, lastModified }: Validators,
): boolean {
  const modified = Math.floor(lastModified.getTime() / 1_000);
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
  const unmodifiedSince = parseHttpDate(headers['if-unmodified-since']);
  if (
    ifMatch !== undefined
      ? !names(ifMatch, etag, 'strong')
      : unmodifiedSince !== undefined && modified > unmodifiedSince
  )
    throw new PreconditionFailed();
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, etag, 'weak');
  const modifiedSince = parseHttpDate(headers['if-modified-since']);
  return modifiedSince !== undefined && modified <= modifiedSince;
}

/** Whether If-Range allows a partial answer, by strong tag or exact date (RFC 9110 §13.1.5). */
export function isRangeAllowed(
  value: string | readonly string[] | undefined,
  { etag, lastModified }: Validators,
): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'string') return false;
  if (value.includes('"')) return value.trim() === etag;
  return parseHttpDate(value) === Math.floor(lastModified.getTime() / 1_000);
}
