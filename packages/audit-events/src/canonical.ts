import serialize from 'canonicalize';

/**
 * Canonical JSON (RFC 8785).
 * @throws TypeError for what JSON cannot carry: NaN, infinities, lone surrogates, functions
 */
export function canonicalJson(value: unknown): string {
  const text = serialize(value);
  if (text === undefined) throw new TypeError('The value has no JSON form.');
  return text;
}

/**
 * Makes text that every store accepts: well-formed Unicode without NUL, at most `maxBytes` of
 * UTF-8.
 */
export function cleanText(text: string, maxBytes: number): string {
  const clean = text.toWellFormed().replaceAll('\0', '');
  if (clean.length * 3 <= maxBytes) return clean;
  const bytes = Buffer.from(clean);
  if (bytes.length <= maxBytes) return clean;
  // Cutting inside a character leaves a partial sequence at the end, which decodes to U+FFFD.
  return bytes
    .subarray(0, maxBytes)
    .toString()
    .replace(/\uFFFD+$/, '');
}
