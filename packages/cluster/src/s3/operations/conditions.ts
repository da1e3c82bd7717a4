import { S3Error } from '../protocol/errors.ts';
import type { ObjectRecord, Precondition } from '../store/object-store.ts';

type Header = (name: string) => string | undefined;
export interface ByteRange {
  start: number;
  /** Inclusive. */
  end: number;
}

/** Evaluates a read's preconditions in RFC 9110 §13.2.2 order. @throws PreconditionFailed */
export function isNotModified(header: Header, record: ObjectRecord, prefix = ''): boolean {
  const [ifMatch, ifNoneMatch] = [header(`${prefix}if-match`), header(`${prefix}if-none-match`)];
  const unmodifiedSince = parseDate(header(`${prefix}if-unmodified-since`));
  const modifiedSince = parseDate(header(`${prefix}if-modified-since`));
  // HTTP dates carry whole seconds.
  const modified = Math.floor(record.lastModified / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, record.etag)) throw failed('If-Match');
  } else if (unmodifiedSince !== undefined && modified > unmodifiedSince) {
    throw failed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) return matches(ifNoneMatch, record.etag);
  return modifiedSince !== undefined && modified <= modifiedSince;
}

/** The precondition of a write or delete. S3 has `If-None-Match: *` and `If-Match`. */
export function writePrecondition(header: Header): Precondition {
  const [ifMatch, ifNoneMatch] = [header('if-match'), header('if-none-match')];
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*')
    throw new S3Error('NotImplemented', undefined, { Header: 'If-None-Match' });
  return (current) => {
    if (ifNoneMatch !== undefined && current) throw failed('If-None-Match');
    if (ifMatch === undefined) return;
    if (!current) throw new S3Error('NoSuchKey');
    if (!matches(ifMatch, current.etag)) throw failed('If-Match');
  };
}

/**
 * The requested byte range; undefined means the whole object.
 * Like S3, ignores a malformed Range and one of several parts. @throws InvalidRange
 */
export function parseRange(header: Header, record: ObjectRecord): ByteRange | undefined {
  const range = header('range');
  const match = /^bytes=(\d*)-(\d*)$/.exec(range?.trim() ?? '');
  if (
    range === undefined ||
    !match ||
    (match[1] === '' && match[2] === '') ||
    !ifRangeHolds(header('if-range'), record)
  )
    return undefined;
  const { size } = record;
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  if (start >= size || (first === '' && Number(last) === 0)) {
    throw new S3Error('InvalidRange', undefined, {
      RangeRequested: range,
      ActualObjectSize: String(size),
    });
  }
  return { start, end };
}

function ifRangeHolds(value: string | undefined, record: ObjectRecord): boolean {
  if (value === undefined) return true;
  if (value.includes('"')) return value.trim() === `"${record.etag}"`;
  return parseDate(value) === Math.floor(record.lastModified / 1000) * 1000;
}

function matches(list: string, etag: string): boolean {
  return list
    .split(',')
    .map((entry) =>
      entry
        .trim()
        .replace(/^W\//, '')
        .replace(/^"(.*)"$/, '$1'),
    )
    .some((entry) => entry === '*' || entry === etag);
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { Condition: condition });
}

function parseDate(value: string | undefined): number | undefined {
  const at = Date.parse(value ?? '');
  return Number.isNaN(at) ? undefined : at;
}
