/** First and last byte, both inclusive. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * The bytes that a Range asks for (RFC 9110 §14.1.2). Undefined means the whole file: also for
 * several ranges, which S3 cannot answer (§14.2).
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '');
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (!match || (first === '' && last === '')) return undefined;
  if (first === '') {
    if (/^0+$/.test(last)) return 'unsatisfiable';
    // A suffix longer than the file is the whole file, and of no bytes there is no part.
    if (size === 0) return undefined;
    return { start: Math.max(size - Number(last), 0), end: size - 1 };
  }
  if (last !== '' && isLess(last, first)) return undefined;
  const start = Number(first);
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** Compares digits of any length; numbers are exact to 2^53. */
function isLess(a: string, b: string): boolean {
  return BigInt(a) < BigInt(b);
}
