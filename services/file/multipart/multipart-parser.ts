import { MultipartMalformed } from '../errors.ts';
import { readPartHeaders, type PartHeaders } from './part-headers.ts';

export type MultipartEvent =
  | { kind: 'part'; headers: PartHeaders }
  /** Bytes of the part that began last; a view of the chunk that was pushed. */
  | { kind: 'data'; bytes: Buffer }
  | { kind: 'end' };

export interface MultipartParser {
  /** What the next piece of the body brings. The generator must be run to its end before the next piece is pushed. */
  push(chunk: Buffer): Generator<MultipartEvent, void, undefined>;
  /** To be called at the end of the body. @throws MultipartMalformed when the closing delimiter has not come */
  finish(): void;
}

const MAX_HEADER_BYTES = 8 * 1024;
const MAX_PADDING_BYTES = 256;
const HEADER_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const [CR, DASH] = [13, 45];
const NOTHING = Buffer.alloc(0);

/** Where the longest beginning of `needle` stands that `haystack` ends with; its length when there is none. */
function partialMatchAt(haystack: Buffer, needle: Buffer): number {
  let at = Math.max(0, haystack.length - needle.length + 1);
  while ((at = haystack.indexOf(CR, at)) !== -1) {
    if (haystack.compare(needle, 0, haystack.length - at, at) === 0) return at;
    at += 1;
  }
  return haystack.length;
}

/**
 * Splits a multipart/form-data body (RFC 7578, RFC 2046 §5.1) that comes in pieces of any size. Bytes are found by `indexOf`, which is
 * native, and passed on without being copied. Strict where lenient parsers skip silently: a part that cannot be read is an error, since the
 * client would think it stored.
 */
export function createMultipartParser(boundary: string): MultipartParser {
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  let state: 'start' | 'delimiter' | 'header' | 'body' | 'done' = 'start';
  // As if a line had ended before the body, so that the first delimiter is found as every other.
  let rest: Buffer = LINE_END;

  /** True once what follows a delimiter has been read: the end of the form or the start of a part. */
  function passDelimiter(): boolean {
    if (rest[0] === DASH && rest[1] === DASH) {
      state = 'done';
      return true;
    }
    const end = rest.indexOf(LINE_END);
    if (end === -1) {
      if (rest.length > MAX_PADDING_BYTES) throw new MultipartMalformed('a delimiter does not end its line');
      return false;
    }
    // Transport padding may follow a boundary; anything else means that it only looked like one.
    if (end > 0 && !/^[ \t]*$/.test(rest.toString('latin1', 0, end))) throw new MultipartMalformed('a delimiter does not end its line');
    rest = rest.subarray(end + LINE_END.length);
    state = 'header';
    return true;
  }

  function passHeader(): PartHeaders | undefined {
    const end = rest.indexOf(HEADER_END);
    if ((end === -1 ? rest.length : end) > MAX_HEADER_BYTES) throw new MultipartMalformed('the header of a part is too long');
    if (end === -1) return undefined;
    const headers = readPartHeaders(rest.subarray(0, end));
    rest = rest.subarray(end + HEADER_END.length);
    state = 'body';
    return headers;
  }

  return {
    *push(chunk) {
      if (state === 'done') return;
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (;;) {
        if (state === 'start') {
          if (rest.length < delimiter.length) return;
          if (rest.compare(delimiter, 0, delimiter.length, 0, delimiter.length) !== 0) throw new MultipartMalformed('it does not begin with its boundary');
          rest = rest.subarray(delimiter.length);
          state = 'delimiter';
        } else if (state === 'delimiter') {
          if (!passDelimiter()) return;
        } else if (state === 'header') {
          const headers = passHeader();
          if (!headers) return;
          yield { kind: 'part', headers };
        } else if (state === 'body') {
          const end = rest.indexOf(delimiter);
          const safe = end === -1 ? partialMatchAt(rest, delimiter) : end;
          const bytes = rest.subarray(0, safe);
          rest = end === -1 ? rest.subarray(safe) : rest.subarray(end + delimiter.length);
          if (bytes.length > 0) yield { kind: 'data', bytes };
          if (end === -1) return;
          state = 'delimiter';
          yield { kind: 'end' };
        } else {
          rest = NOTHING;
          return;
        }
      }
    },
    finish() {
      if (state !== 'done') throw new MultipartMalformed('it ends before its closing delimiter');
    },
  };
}
